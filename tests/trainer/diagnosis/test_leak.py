from __future__ import annotations

import numpy as np
import pytest

from trainer.diagnosis.finding import Finding
from trainer.diagnosis.leak import near_duplicates


def leak(alike: int, count: int, *, right: int, few: bool = False, command: str = "python") -> Finding | None:
    """`alike` of `count` images have a near duplicate, the last ones; the last `right` are right."""
    similarities = np.linspace(0.1, 0.7, count)
    similarities[count - alike :] = np.linspace(0.76, 0.99, alike)
    pairs = [(f"valid/{number}.jpg", f"train/{number}.jpg") for number in range(count)]
    return near_duplicates(similarities, np.arange(count) >= count - right, pairs, few=few, command=command)


def test_a_tenth_of_the_images_is_a_leak() -> None:
    assert leak(0, 100, right=50) is None
    assert leak(9, 100, right=50) is None
    finding = leak(10, 100, right=55)
    assert finding
    assert finding.confidence == "medium"
    assert finding.evidence["share"] == pytest.approx(0.1)
    assert (finding.evidence["right_with_near_duplicate"], finding.evidence["right_without"]) == (1.0, 0.5)
    assert "(100 % of them are right, of the others 50 %)" in finding.summary
    assert finding.evidence["pairs"][0] == "valid/99.jpg = train/99.jpg"
    assert len(finding.evidence["pairs"]) == 10


def test_among_few_images_it_is_less_sure() -> None:
    """Of 72 different scans of digits it was sure that a third were near duplicates."""
    some, many = leak(10, 100, right=55, few=True), leak(30, 100, right=55, few=True)
    assert some
    assert many
    assert (some.confidence, many.confidence) == ("low", "medium")
    assert "(among so few images some only seem alike: look at the pairs)" in some.summary


def test_two_images_are_no_leak_and_all_are() -> None:
    assert leak(2, 7, right=7) is None
    finding = leak(7, 7, right=7)
    assert finding
    assert finding.confidence == "high"
    assert finding.evidence["right_without"] is None


def test_where_there_is_no_better_split_other_images_are_asked_for() -> None:
    split, none = leak(10, 100, right=55), leak(10, 100, right=55, command="")
    assert split
    assert none
    assert none.command == ""
    assert none.summary == f"{split.summary[:-1]}; no split keeps near duplicates on one side: validate on others."
