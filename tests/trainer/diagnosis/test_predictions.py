from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from trainer.diagnosis.predictions import Collapse, Predictions, find_collapse


def collapse(targets: Sequence[int], predicted: Sequence[int]) -> Collapse | None:
    return find_collapse(
        Predictions(
            names=[str(number) for number in range(len(targets))],
            probabilities=np.eye(10)[np.asarray(predicted)],
            targets=np.asarray(targets),
        )
    )


def test_one_prediction_for_everything_is_a_collapse_whatever_fraction_of_it_is_correct() -> None:
    balanced = [k for k in range(10) for _ in range(5)]
    found = collapse(balanced, [3] * 50)
    assert found
    assert (found.favoured, found.other_recall, found.fraction) == ([3], 0, 1)
    assert (found.class_count, found.other_count) == (10, 9)
    unequal = [0] * 95 + [1] * 5
    assert collapse(unequal, [0] * 100)  # 95 % are correct


def test_two_predicted_classes_of_ten_are_a_collapse_and_three_are_not() -> None:
    balanced = [k for k in range(10) for _ in range(10)]
    assert collapse(balanced, [k % 2 for k in range(100)])
    assert collapse(balanced, [k % 3 for k in range(100)]) is None


def test_poor_predictions_are_no_collapse() -> None:
    balanced = [k for k in range(10) for _ in range(5)]
    assert collapse(balanced, balanced) is None
    assert collapse(balanced, [0] * 25 + balanced[25:]) is None
    unequal = [0] * 90 + [1] * 10
    assert collapse(unequal, [0] * 95 + [1] * 5) is None  # half of the rare ones are recognised
    assert collapse([0, 1, 0, 1, 0, 1, 0], [0] * 7) is None  # seven images say nothing
    assert collapse([0] * 20, [0] * 20) is None  # there is no other class to recognise


def test_several_labels_are_correct_if_exactly_these_reach_their_thresholds() -> None:
    predictions = Predictions(
        names=["a", "b", "c"],
        probabilities=np.array([[0.9, 0.6], [0.9, 0.4], [0.1, 0.5]]),
        targets=np.array([[1, 0], [1, 0], [0, 1]]),
    )
    assert predictions.correct(task="multilabel", thresholds=(0.5, 0.5)).tolist() == [False, True, True]
    assert predictions.correct(task="multilabel", thresholds=(0.5, 0.7)).tolist() == [True, True, False]
    single = Predictions(names=predictions.names, probabilities=predictions.probabilities, targets=np.array([0, 1, 1]))
    assert single.correct(task="classification", thresholds=()).tolist() == [True, False, True]
