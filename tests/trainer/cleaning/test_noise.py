from __future__ import annotations

import numpy as np
import numpy.typing as npt

from trainer.catalog import Row
from trainer.cleaning.noise import find_label_noise, sure_of_another
from trainer.diagnosis.label_noise import LabelNoise

CLASSES = ("ant", "bee", "cat")


def noise_of(
    *, wrong: int, count: int = 300, spread: float = 0.1, seed: int = 0
) -> tuple[LabelNoise | None, npt.NDArray[np.int64]]:
    """Three classes about three centres; `wrong` images, the first returned ones, have the label of another class."""
    random = np.random.default_rng(seed)
    truth = np.arange(count) % 3
    features = random.normal(size=(3, 64))[truth] + spread * random.normal(size=(count, 64)) * 3
    targets = truth.copy()
    planted = random.permutation(count)[:wrong]
    targets[planted] = (targets[planted] + 1) % 3
    rows = [
        Row(
            path=f"{number}.jpg",
            labels=frozenset({CLASSES[target]}),
            split="valid" if number % 5 == 0 else "train",
        )
        for number, target in enumerate(targets.tolist())
    ]
    return find_label_noise(features.astype(np.float16), targets, rows, classes=CLASSES), planted


def test_wrong_labels_are_found_in_both_splits() -> None:
    noise, planted = noise_of(wrong=30)
    assert noise
    found = {suspect.path for suspect in noise.suspects}
    assert len(found) >= 18
    assert found <= {f"{number}.jpg" for number in planted}
    assert (noise.train_count, noise.valid_count) == (240, 60)
    assert noise.count("train") + noise.count("valid") == len(found)
    assert noise.confidence == "high"
    for suspect in noise.suspects:
        assert CLASSES.index(suspect.proposal) == int(suspect.path.removesuffix(".jpg")) % 3
        assert CLASSES.index(suspect.label) == (int(suspect.path.removesuffix(".jpg")) + 1) % 3
        assert suspect.split == ("valid" if int(suspect.path.removesuffix(".jpg")) % 5 == 0 else "train")


def test_right_labels_are_no_noise_even_if_the_classes_are_hard_to_tell_apart() -> None:
    assert noise_of(wrong=0)[0] is None
    assert noise_of(wrong=0, spread=1.5)[0] is None


def test_labels_that_mean_nothing_are_no_noise() -> None:
    """If no head can learn the classes, none can judge the labels."""
    assert noise_of(wrong=0, spread=1e3)[0] is None


def test_a_few_suspects_say_nothing() -> None:
    assert noise_of(wrong=2, count=60)[0] is None  # less than three
    assert noise_of(wrong=4)[0] is None  # there may be so many of 300 by chance
    assert noise_of(wrong=4, count=480)[0] is None  # less than one percent


def test_so_few_images_cannot_be_judged() -> None:
    assert noise_of(wrong=1, count=2)[0] is None
    assert noise_of(wrong=2, count=6)[0] is None


def predictions(
    *, wrong: int, sure: float = 0.9, unsure: int = 0
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.int64]]:
    """60 images of three classes; the first `wrong` are labelled the next class, the last `unsure` are guessed."""
    truth = np.arange(60) % 3
    probabilities = np.full((60, 3), (1 - sure) / 2, dtype=np.float32)
    probabilities[np.arange(60), truth] = sure
    probabilities[60 - unsure :] = 1 / 3
    return probabilities, np.where(np.arange(60) < wrong, (truth + 1) % 3, truth)


def test_an_image_is_suspect_if_the_heads_are_sure_of_another_class() -> None:
    assert sure_of_another(*predictions(wrong=4)).tolist() == [0, 1, 2, 3]
    assert sure_of_another(*predictions(wrong=4, unsure=20)).tolist() == [0, 1, 2, 3]  # to be wrong is not to be sure
    assert sure_of_another(*predictions(wrong=4, sure=0.7)).tolist() == []  # the label may still be right
    assert sure_of_another(*predictions(wrong=0)).tolist() == []


def test_heads_that_do_not_know_a_class_do_not_judge_its_images() -> None:
    targets = predictions(wrong=0)[1]
    assert sure_of_another(np.tile(np.float32([0.95, 0.03, 0.02]), (60, 1)), targets).tolist() == []
