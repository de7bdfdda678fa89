"""Lists of images and labels as a catalog."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from tests.trainer.catalog.files import put
from trainer.catalog import catalog_from_lists
from trainer.errors import CatalogError


def lists(photos: Path) -> tuple[list[Path], list[str]]:
    paths = sorted(photos.rglob("*.jpg"))
    return paths, [path.parent.name for path in paths]


def test_images_in_several_folders_start_from_the_folder_above_them(photos: Path) -> None:
    paths, labels = lists(photos)
    catalog = catalog_from_lists(paths, labels)
    assert catalog.root == photos
    assert catalog.rows[0].path == "blue/000.jpg"
    one = [path for path in paths if path.parent.name == "red"]
    assert catalog_from_lists(one, ["a", "b"] * 6).root == photos / "red"


def test_relative_paths_start_from_the_working_directory(photos: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    paths, labels = lists(photos)
    monkeypatch.chdir(photos / "red")
    relative = [Path("..", path.parent.name, path.name) for path in paths]
    assert catalog_from_lists(relative, labels).rows == catalog_from_lists(paths, labels).rows


def test_splits_are_those_that_are_given(photos: Path) -> None:
    paths, labels = lists(photos)
    names = ["Train", "val", " test "] * 12
    catalog = catalog_from_lists(paths, labels, splits=names)
    assert [len(catalog.split(split)) for split in ("train", "valid", "test")] == [12, 12, 12]
    assert catalog.drawn is None
    drawn = catalog_from_lists(paths, labels, splits=["train", "test"] * 18)
    assert len(drawn.split("test")) == 18
    assert drawn.split("valid")


def test_the_delimiter_of_tables_is_in_no_label(photos: Path) -> None:
    paths, labels = lists(photos)
    assert catalog_from_lists(paths, [[label] for label in labels]).label_delimiter == ";"
    assert catalog_from_lists(paths, [[label, "a;b|c"] for label in labels]).label_delimiter == ","
    with pytest.raises(CatalogError, match=r"the labels have all of ; \| , /"):
        catalog_from_lists(paths, [[label, "a;b|c,d/e"] for label in labels])


def test_an_image_may_have_no_label_among_several(photos: Path) -> None:
    paths, labels = lists(photos)
    catalog = catalog_from_lists(paths, [[] if label == "red" else {label} for label in labels])
    assert catalog.classes == ("blue", "green")


def test_numbers_are_labels(photos: Path) -> None:
    paths, labels = lists(photos)
    numbers = pd.DataFrame({"path": paths, "label": [{"blue": 2, "green": 10, "red": 1}[each] for each in labels]})
    shuffled = numbers.sample(frac=1, random_state=0)
    for column in (shuffled.label, shuffled.label.to_numpy(), shuffled.label.tolist()):
        catalog = catalog_from_lists(paths=shuffled.path, labels=column)
        assert catalog.classes == ("1", "2", "10")
        assert all(row.labels == {{"b": "2", "g": "10", "r": "1"}[row.path[0]]} for row in catalog.rows)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"labels": ["red"]}, "36 paths and 1 labels"),
        ({"splits": ["train"]}, "36 paths and 1 splits"),
        ({"splits": ["training"] * 36}, "the split 'training' is unknown; give train, valid or test"),
        ({"labels": [" "] * 36}, "the label is empty"),
        ({"labels": ["red"] * 36}, "only the class 'red'"),
        ({"labels": [float("nan")] + ["red"] * 35}, "its label is nan; give each image one label"),
        ({"labels": ["red"] * 35 + [["red"]]}, "give each image one label, or each a list"),
        ({"labels": [["red"]] * 35 + ["red"]}, "give each image one label, or each a list"),
        ({"paths": ["missing.jpg"] * 36}, "36 of 36 images are not there"),
        ({"paths": [], "labels": []}, "there are no paths"),
    ],
)
def test_lists_that_cannot_be_used(photos: Path, change: dict[str, Any], message: str) -> None:
    paths, labels = lists(photos)
    with pytest.raises(CatalogError, match=message):
        catalog_from_lists(**({"paths": paths, "labels": labels} | change))


def test_a_path_that_is_listed_twice(photos: Path) -> None:
    paths, labels = lists(photos)
    twice = catalog_from_lists(paths=[*paths, paths[0]], labels=[*labels, labels[0]])
    assert (len(twice.rows), twice.remarks) == (36, ("1 paths are listed twice.",))
    with pytest.raises(CatalogError, match="listed twice, with different labels"):
        catalog_from_lists(paths=[*paths, paths[0]], labels=[*labels, "red"])


def test_labels_that_are_only_written_in_another_way(tmp_path: Path) -> None:
    paths = [*put(tmp_path, *(f"{number}.jpg" for number in range(20))).iterdir()]
    labels = ["Fox" if number < 3 else "fox" if number < 10 else "owl" for number in range(20)]
    assert "'fox' (7) and 'Fox' (3); `merge_labels=True` joins them." in catalog_from_lists(paths, labels).warnings[0]
    merged = catalog_from_lists(paths, labels, merge_labels=True)
    assert (merged.classes, merged.warnings) == (("fox", "owl"), ())
