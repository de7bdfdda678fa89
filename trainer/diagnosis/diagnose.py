"""Every rule, applied to the evidence of one run."""

from __future__ import annotations

from collections.abc import Callable

from trainer.diagnosis.class_rules import class_never_predicted, class_taken_for_another
from trainer.diagnosis.data_rules import (
    class_missing,
    few_validation_images,
    near_duplicates,
    no_validation_images,
    noisy_labels,
)
from trainer.diagnosis.evidence import Evidence
from trainer.diagnosis.finding import Finding
from trainer.diagnosis.training_rules import (
    lr_too_high,
    lr_too_low,
    prediction_collapse,
    too_few_epochs,
    too_many_epochs,
)

DiagnosisRule = Callable[[Evidence], Finding | None]

# In the order of the findings: what does the most harm comes first.
RULES: tuple[DiagnosisRule, ...] = (
    lr_too_high,
    lr_too_low,
    too_few_epochs,
    prediction_collapse,
    class_taken_for_another,
    near_duplicates,
    too_many_epochs,
    noisy_labels,
    class_never_predicted,
    class_missing,
    few_validation_images,
    no_validation_images,
)


def diagnose(evidence: Evidence) -> tuple[Finding, ...]:
    """Find what stands out in a run, the most harmful first."""
    return tuple(finding for rule in RULES if (finding := rule(evidence)) is not None)
