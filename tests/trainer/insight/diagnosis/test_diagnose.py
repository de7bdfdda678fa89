from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.support.photos import write_folder
from tests.trainer.insight.diagnosis.curves import COMMANDS, curve
from tests.trainer.insight.diagnosis.test_noise import judged
from trainer.catalog import read_catalog
from trainer.insight.diagnosis.diagnose import Facts, Twins, diagnose


@pytest.mark.parametrize(("suspects", "silent"), [(1, False), (2, True)])
def test_one_suspect_among_the_training_images_does_not_explain_slow_learning(
    tmp_path: Path, suspects: int, silent: bool
) -> None:
    catalog = read_catalog(write_folder(tmp_path / "photos"))
    facts = Facts(
        catalog=catalog,
        lost=(),
        curve=curve(train_error=[0.5, 0.3, 0.2], valid_error=[0.5, 0.3, 0.25]),
        sweep=None,
        valid=judged(wrong=12),
        trained=judged(wrong=suspects),
        thresholds=(0.0,),
        twins=Twins(similarities=np.zeros(60, dtype=np.float32), pairs=[("", "")] * 60),
        commands=COMMANDS,
        split_command="",
    )
    found = {finding.name for finding in diagnose(facts)}
    assert "noisy-labels" in found
    assert ("too-few-epochs" not in found) == silent
