from __future__ import annotations

import pytest

from tests.trainer.diagnosis.cases import CHANCE_LOSS, curve_of, evidence_of, predictions_of
from trainer.diagnosis import Evidence
from trainer.diagnosis.diagnose import diagnose


def names(evidence: Evidence) -> list[str]:
    return [finding.name for finding in diagnose(evidence)]


def test_on_sound_evidence_nothing_stands_out() -> None:
    assert names(evidence_of()) == []


@pytest.mark.parametrize(("suspects", "explains"), [(1, False), (2, True)])
def test_one_suspect_among_the_training_images_does_not_explain_slow_learning(suspects: int, explains: bool) -> None:
    evidence = evidence_of(
        curve=curve_of(train_error=[0.5, 0.3, 0.2], valid_error=[0.5, 0.3, 0.25]),
        valid=predictions_of(wrong=12),
        train_subset=predictions_of(wrong=suspects),
    )
    found = names(evidence)
    assert "noisy-labels" in found
    assert ("too-few-epochs" not in found) == explains


@pytest.mark.parametrize(("end", "checks_labels"), [(0.2, True), (CHANCE_LOSS, False)])
def test_a_model_that_too_high_a_lr_ruined_does_not_check_labels(end: float, checks_labels: bool) -> None:
    """After a fit that had diverged, right labels were called wrong with high confidence."""
    diverged = curve_of(
        train_error=[0.9, 0.1], valid_error=[0.9, 0.1], train_loss=[2.3, end], steps=[0.5, 0.5, 0.5, *[4.0] * 10]
    )
    wrong = predictions_of(wrong=6)
    found = names(evidence_of(curve=diverged, valid=wrong, train_subset=wrong))
    assert ("noisy-labels" in found) == checks_labels
    assert ("lr-too-high" in found) != checks_labels
