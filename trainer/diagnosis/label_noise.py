"""Labels that are probably wrong, as the rules look at them; `trainer.cleaning.noise` finds them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from trainer.catalog import Split
from trainer.diagnosis.finding import Confidence

_HIGH_FRACTION = 0.03
_MEDIUM_FRACTION = 0.015


@dataclass(frozen=True, kw_only=True)
class SuspectLabel:
    """An image whose label is probably wrong.

    Attributes:
        path: Of the image.
        split: `train` or `valid`.
        label: That it has.
        proposal: The label that is more probable.
        probability: Of `proposal`, by a model that has not seen the image.
    """

    path: str
    split: Split
    label: str
    proposal: str
    probability: float

    def __str__(self) -> str:
        return f"{self.path}: labelled {self.label!r}, looks like {self.proposal!r} ({self.probability:.2f})"


@dataclass(frozen=True, kw_only=True)
class LabelNoise:
    """Labels that are probably wrong.

    Attributes:
        suspects: The most suspect first.
        train_count: Number of training images that were judged.
        valid_count: Number of validation images that were judged.
    """

    suspects: Sequence[SuspectLabel]
    train_count: int
    valid_count: int

    @property
    def fraction(self) -> float:
        """Of the images that were judged, those with a suspect label."""
        return len(self.suspects) / max(1, self.train_count + self.valid_count)

    @property
    def train_fraction(self) -> float:
        """Of the training images that were judged, those with a suspect label."""
        return self.count("train") / max(1, self.train_count)

    @property
    def valid_fraction(self) -> float:
        """Of the validation images that were judged, those with a suspect label."""
        return self.count("valid") / max(1, self.valid_count)

    @property
    def confidence(self) -> Confidence:
        """How sure it is that labels are wrong: among photos with right labels half a percent is suspect."""
        return "high" if self.fraction >= _HIGH_FRACTION else "medium" if self.fraction >= _MEDIUM_FRACTION else "low"

    def count(self, split: Split) -> int:
        """Number of suspects in a split."""
        return sum(suspect.split == split for suspect in self.suspects)
