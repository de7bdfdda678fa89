from __future__ import annotations

import pytest

from tests.trainer.diagnosis.cases import curve_of, evidence_of, label_noise_of
from trainer.diagnosis import Evidence
from trainer.diagnosis.diagnose import diagnose


def names(evidence: Evidence) -> list[str]:
    return [finding.name for finding in diagnose(evidence)]


def test_on_sound_evidence_nothing_stands_out() -> None:
    assert names(evidence_of()) == []


@pytest.mark.parametrize(("count", "explains"), [(900, False), (60, True)])
def test_few_suspects_do_not_explain_slow_learning(count: int, explains: bool) -> None:
    evidence = evidence_of(
        curve=curve_of(train_error=[0.5, 0.3, 0.2], valid_error=[0.5, 0.3, 0.25]),
        label_noise=label_noise_of(valid=12, count=count),
    )
    found = names(evidence)
    assert "noisy-labels" in found
    assert ("too-few-epochs" not in found) == explains
