from __future__ import annotations

import numpy as np

from tests.trainer.diagnosis.curves import COMMANDS
from trainer.diagnosis.finding import Finding
from trainer.diagnosis.judged import Predictions
from trainer.diagnosis.labels import noisy_labels, suspects

CLASSES = ("ant", "bee", "cat")


def judged(*, wrong: int, count: int = 60, sure: float = 0.9, unsure: int = 0) -> Predictions:
    """Images of three classes in turn; the first `wrong` are labelled the next class, the last `unsure` are guessed."""
    truth = np.arange(count) % 3
    probabilities = np.full((count, 3), (1 - sure) / 2)
    probabilities[np.arange(count), truth] = sure
    probabilities[count - unsure :] = 1 / 3
    targets = np.where(np.arange(count) < wrong, (truth + 1) % 3, truth)
    return Predictions(names=[f"{number}.jpg" for number in range(count)], probabilities=probabilities, targets=targets)


def noise(valid: Predictions, trained: Predictions) -> Finding | None:
    return noisy_labels(valid, trained, classes=CLASSES, commands=COMMANDS)


def test_an_image_is_suspect_where_the_network_is_sure_of_another_class() -> None:
    assert suspects(judged(wrong=4)).tolist() == [0, 1, 2, 3]
    assert suspects(judged(wrong=4, unsure=20)).tolist() == [0, 1, 2, 3]  # to be wrong is not to be sure
    assert suspects(judged(wrong=4, sure=0.7)).tolist() == []  # the label may still be right
    assert suspects(judged(wrong=0)).tolist() == []


def test_a_network_that_does_not_know_a_class_is_not_asked_about_its_images() -> None:
    collapsed = judged(wrong=0)
    probabilities = np.tile([0.95, 0.03, 0.02], (60, 1))
    everything = Predictions(names=collapsed.names, probabilities=probabilities, targets=collapsed.targets)
    assert suspects(everything).tolist() == []


def test_both_sides_must_speak_for_it() -> None:
    assert noise(judged(wrong=6), judged(wrong=0)) is None  # the validation images may be of another kind
    assert noise(judged(wrong=2), judged(wrong=1)) is None
    sure = noise(judged(wrong=6), judged(wrong=2))
    assert sure
    assert sure.confidence == "high"
    assert noise(judged(wrong=0), judged(wrong=3))  # learned with that label, and not believed


def test_one_training_image_of_many_says_nothing_of_the_labels_and_of_few_not_much() -> None:
    assert noise(judged(wrong=6), judged(wrong=1, count=512)) is None
    assert noise(judged(wrong=6), judged(wrong=3, count=512))
    finding = noise(judged(wrong=6), judged(wrong=1))
    assert finding
    assert finding.confidence == "low"


def test_the_worst_are_listed() -> None:
    finding = noise(judged(wrong=6), judged(wrong=1))
    assert finding
    assert (finding.evidence["validation_suspects"], finding.evidence["training_suspects"]) == (6, 1)
    assert finding.evidence["worst"][0] == "0.jpg: labelled 'bee', looks like 'ant' (0.90)"
    assert len(finding.evidence["worst"]) == 7
