from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from tests.trainer.diagnosis.curves import COMMANDS
from trainer.diagnosis.collapse import prediction_collapse
from trainer.diagnosis.finding import Finding
from trainer.diagnosis.judged import Predictions

CLASSES = tuple("abcdefghij")


def collapse(targets: Sequence[int], answers: Sequence[int], *, trained: Sequence[int] = (9, 9)) -> Finding | None:
    judged = Predictions(
        names=[str(number) for number in range(len(targets))],
        probabilities=np.eye(len(CLASSES))[np.asarray(answers)],
        targets=np.asarray(targets),
    )
    counts = dict(zip(CLASSES, trained, strict=False))
    return prediction_collapse(judged, counts, classes=CLASSES, commands=COMMANDS, rate_command=COMMANDS.lr_find())


def test_one_answer_for_everything_is_a_collapse_whatever_share_of_it_is_right() -> None:
    balanced = [k for k in range(10) for _ in range(5)]
    finding = collapse(balanced, [3] * 50)
    assert finding
    assert (finding.confidence, finding.evidence["favoured_classes"]) == ("high", ["d"])
    assert "lr-find" in finding.command
    unequal = [0] * 95 + [1] * 5
    assert collapse(unequal, [0] * 100)  # 95 % are right


def test_a_sampler_is_for_training_images_of_unequal_number_whatever_the_validation_images_are() -> None:
    balanced, unequal = [0] * 10 + [1] * 10, [0] * 95 + [1] * 5
    for valid, trained, sampler in ((balanced, (30, 10), True), (balanced, (29, 10), False), (unequal, (9, 9), False)):
        finding = collapse(valid, [0] * len(valid), trained=trained)
        assert finding
        assert ("--balance sampler" in finding.command) == sampler


def test_two_answers_of_ten_are_a_collapse_and_three_are_not() -> None:
    balanced = [k for k in range(10) for _ in range(10)]
    assert collapse(balanced, [k % 2 for k in range(100)])
    assert collapse(balanced, [k % 3 for k in range(100)]) is None


def test_poor_answers_are_no_collapse() -> None:
    balanced = [k for k in range(10) for _ in range(5)]
    assert collapse(balanced, balanced) is None
    assert collapse(balanced, [0] * 25 + balanced[25:]) is None
    unequal = [0] * 90 + [1] * 10
    assert collapse(unequal, [0] * 95 + [1] * 5) is None  # half of the rare ones are found
    assert collapse([0, 1, 0, 1, 0, 1, 0], [0] * 7) is None  # seven images say nothing
    assert collapse([0] * 20, [0] * 20) is None  # there is no other class to be found
