from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.support.photos import write_folder
from tests.trainer.diagnosis.curves import COMMANDS, curve
from tests.trainer.diagnosis.test_labels import judged
from trainer.catalog import read_catalog
from trainer.diagnosis.curve import Curve
from trainer.diagnosis.diagnose import Evidence, NearestTrainImages, diagnose
from trainer.diagnosis.judged import Predictions


def facts_of(folder: Path, curve: Curve, *, valid: Predictions, trained: Predictions) -> Evidence:
    return Evidence(
        catalog=read_catalog(write_folder(folder / "photos")),
        lost=(),
        curve=curve,
        sweep=None,
        valid=valid,
        trained=trained,
        thresholds=(0.0,),
        twins=NearestTrainImages(similarities=np.zeros(60, dtype=np.float32), pairs=[("", "")] * 60, few=True),
        commands=COMMANDS,
        split_command="",
    )


@pytest.mark.parametrize(("suspects", "silent"), [(1, False), (2, True)])
def test_one_suspect_among_the_training_images_does_not_explain_slow_learning(
    tmp_path: Path, suspects: int, silent: bool
) -> None:
    facts = facts_of(
        tmp_path,
        curve(train_error=[0.5, 0.3, 0.2], valid_error=[0.5, 0.3, 0.25]),
        valid=judged(wrong=12),
        trained=judged(wrong=suspects),
    )
    found = {finding.name for finding in diagnose(facts)}
    assert "noisy-labels" in found
    assert ("too-few-epochs" not in found) == silent


@pytest.mark.parametrize(("end", "judges"), [(0.2, True), (float(np.log(10)), False)])
def test_what_too_high_a_rate_has_spoilt_does_not_judge_labels(tmp_path: Path, end: float, judges: bool) -> None:
    """After a fit that had burst, right labels were called wrong with high confidence."""
    burst = curve(
        train_error=[0.9, 0.1], valid_error=[0.9, 0.1], train_loss=[2.3, end], steps=[0.5, 0.5, 0.5, *[4.0] * 10]
    )
    found = {
        finding.name for finding in diagnose(facts_of(tmp_path, burst, valid=judged(wrong=6), trained=judged(wrong=6)))
    }
    assert ("noisy-labels" in found) == judges
    assert ("rate-too-high" in found) != judges
