from __future__ import annotations

import pytest

from tests.trainer.diagnosis.cases import label_noise_of


@pytest.mark.parametrize(("count", "confidence"), [(60, "high"), (150, "medium"), (300, "low")])
def test_the_more_labels_are_suspect_the_surer_it_is(count: int, confidence: str) -> None:
    """Half a percent is suspect if all labels are right."""
    assert label_noise_of(train=3, valid=2, count=count).confidence == confidence


def test_fractions_are_of_the_images_of_a_split() -> None:
    noise = label_noise_of(train=3, valid=6)
    assert (noise.train_fraction, noise.valid_fraction, noise.fraction) == (3 / 60, 6 / 60, 9 / 120)
    assert label_noise_of(count=0).fraction == 0


def test_a_suspect_is_described_by_both_labels() -> None:
    assert str(label_noise_of(valid=1).suspects[0]) == "valid/0.jpg: labelled 'b', looks like 'a' (0.90)"
