from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from trainer.checking.shortcuts import Shortcut, area_interval, find_shortcuts


def labels_of(*counts: int) -> list[frozenset[str]]:
    return [frozenset({name}) for name, count in zip("abcdefgh", counts, strict=False) for _ in range(count)]


def of(shortcuts: list[Shortcut]) -> set[tuple[str, str]]:
    return {(shortcut.label, shortcut.feature) for shortcut in shortcuts}


def test_a_size_that_only_one_class_has() -> None:
    labels = labels_of(40, 50, 60)
    sizes = ["640 x 480"] * 40 + ["800 x 600", "1024 x 768"] * 55
    (shortcut,) = find_shortcuts(labels, numbers={}, names={"size": sizes})
    assert (shortcut.label, shortcut.feature, shortcut.area) == ("a", "size", 1)
    assert shortcut.text == "all 40 images of it have the size 640 x 480, and none of the 110 others"
    assert 0.8 < shortcut.interval[0] < shortcut.interval[1] == pytest.approx(1)


def test_a_camera_of_most_images_of_a_class() -> None:
    labels = labels_of(100, 100)
    cameras = ["Canon"] * 97 + [""] * 3 + ["Nikon"] * 50 + [""] * 48 + ["Canon"] * 2
    (shortcut,) = [found for found in find_shortcuts(labels, numbers={}, names={"camera": cameras}) if found]
    assert shortcut.label == "a"
    assert shortcut.area == pytest.approx((0.97 + 0.98) / 2)
    assert shortcut.text == "97 of 100 images of it have the camera Canon, and 2 of the 100 others"


@pytest.mark.parametrize("sign", [1, -1])
def test_a_number_that_is_higher_or_lower_in_one_class(sign: int) -> None:
    labels = labels_of(60, 60, 60)
    values = sign * np.random.default_rng(0).normal([0.0] * 60 + [0.3] * 60 + [5.0] * 60, 1)
    (shortcut,) = find_shortcuts(labels, numbers={"brightness": values}, names={})
    assert (shortcut.label, shortcut.feature) == ("c", "brightness")
    assert f"its brightness is {'higher' if sign > 0 else 'lower'}: median " in shortcut.text
    is_member = np.array(["c" in names for names in labels])
    assert shortcut.area == pytest.approx(roc_auc_score(is_member, sign * values))


def test_a_class_with_few_images_proves_nothing() -> None:
    labels = labels_of(3, 300)
    assert not find_shortcuts(labels, numbers={}, names={"format": ["PNG"] * 3 + ["JPEG"] * 300})
    labels = labels_of(60, 300)
    assert of(find_shortcuts(labels, numbers={}, names={"format": ["PNG"] * 60 + ["JPEG"] * 300})) >= {("a", "format")}


@pytest.mark.parametrize("seed", range(10))
def test_chance_is_no_shortcut_among_many_classes_and_features(seed: int) -> None:
    random = np.random.default_rng(seed)
    labels = [frozenset({str(number)}) for number in random.integers(0, 60, 900)]
    numbers = {name: random.normal(size=900) for name in ("brightness", "size", "aspect ratio")}
    names = {"camera": [f"camera {number}" for number in random.integers(0, 40, 900)]}
    assert find_shortcuts(labels, numbers=numbers, names=names) == []


def test_what_all_classes_have_in_common_is_none() -> None:
    labels = labels_of(50, 50)
    assert not find_shortcuts(labels, numbers={"size": np.ones(100)}, names={"size": ["4 x 4"] * 100})


def test_unknown_values_predict_nothing() -> None:
    assert not find_shortcuts(labels_of(50, 50), numbers={}, names={"camera": [""] * 50 + ["a", "b"] * 25})


@pytest.mark.parametrize("labels", [[], labels_of(30), [frozenset[str]()] * 5])
def test_without_two_classes_there_is_nothing_to_predict(labels: list[frozenset[str]]) -> None:
    assert find_shortcuts(labels, numbers={"size": np.arange(len(labels), dtype=float)}, names={}) == []


def test_several_labels_for_each_image() -> None:
    labels = [frozenset({"x"}), frozenset({"y"}), frozenset({"x", "y"})] * 40
    formats = ["PNG", "JPEG", "PNG"] * 40
    assert of(find_shortcuts(labels, numbers={}, names={"format": formats})) == {("x", "format")}


def test_the_interval_is_that_of_the_paper() -> None:
    """Newcombe 2006, part 2: sensible at 1, symmetric, and its ends are z standard errors away."""
    low, high = area_interval(1.0, 10, 10, z=1.96)
    assert high == pytest.approx(1)
    assert 0.7 < low < 0.9
    assert area_interval(0.0, 10, 10, z=1.96)[1] == pytest.approx(1 - low)
    narrow, wide = area_interval(0.8, 1000, 1000, z=1.96), area_interval(0.8, 20, 20, z=1.96)
    assert wide[0] < narrow[0] < 0.8 < narrow[1] < wide[1]


def test_the_interval_covers_the_true_area() -> None:
    random = np.random.default_rng(0)
    true = 0.921  # P(X < Y) of normal distributions two deviations apart: Phi(2 / sqrt 2)
    hits = 0
    for _ in range(400):
        values = np.append(random.normal(0, 1, 30), random.normal(2, 1, 30))
        area = float(roc_auc_score([0] * 30 + [1] * 30, values))
        low, high = area_interval(area, 30, 30, z=1.96)
        hits += low <= true <= high
    assert 0.92 <= hits / 400 <= 0.99
