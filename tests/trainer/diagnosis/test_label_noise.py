from __future__ import annotations

import numpy as np

from tests.trainer.diagnosis.cases import predictions_of
from trainer.diagnosis.label_noise import describe_suspects, find_label_noise, find_suspects
from trainer.diagnosis.predictions import Predictions


def test_an_image_is_suspect_if_the_model_is_sure_of_another_class() -> None:
    assert find_suspects(predictions_of(wrong=4)).tolist() == [0, 1, 2, 3]
    assert find_suspects(predictions_of(wrong=4, unsure=20)).tolist() == [0, 1, 2, 3]  # to be wrong is not to be sure
    assert find_suspects(predictions_of(wrong=4, sure=0.7)).tolist() == []  # the label may still be right
    assert find_suspects(predictions_of(wrong=0)).tolist() == []


def test_a_model_that_does_not_know_a_class_does_not_judge_its_images() -> None:
    images = predictions_of(wrong=0)
    probabilities = np.tile([0.95, 0.03, 0.02], (60, 1))
    collapsed = Predictions(names=images.names, probabilities=probabilities, targets=images.targets)
    assert find_suspects(collapsed).tolist() == []


def test_training_images_must_be_suspect_too() -> None:
    # The validation images may differ from the training images.
    assert find_label_noise(predictions_of(wrong=6), predictions_of(wrong=0)) is None
    assert find_label_noise(predictions_of(wrong=2), predictions_of(wrong=1)) is None
    sure = find_label_noise(predictions_of(wrong=6), predictions_of(wrong=2))
    assert sure
    assert sure.confidence == "high"
    # The model learned them with this label, and is sure of another one all the same.
    assert find_label_noise(predictions_of(wrong=0), predictions_of(wrong=3))


def test_one_training_image_of_many_says_nothing_about_the_labels_and_one_of_few_says_little() -> None:
    assert find_label_noise(predictions_of(wrong=6), predictions_of(wrong=1, count=512)) is None
    assert find_label_noise(predictions_of(wrong=6), predictions_of(wrong=3, count=512))
    noise = find_label_noise(predictions_of(wrong=6), predictions_of(wrong=1))
    assert noise
    assert noise.confidence == "low"


def test_a_suspect_is_described_by_its_margin_and_both_classes() -> None:
    predictions = predictions_of(wrong=6)
    described = describe_suspects(predictions, find_suspects(predictions), classes=("ant", "bee", "cat"))
    margins, lines = zip(*described, strict=True)
    assert np.allclose(margins, 0.05 - 0.9)
    assert lines[0] == "0.jpg: labelled 'bee', looks like 'ant' (0.90)"
    assert len(lines) == 6
