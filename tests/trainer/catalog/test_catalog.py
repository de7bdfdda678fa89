from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.trainer.catalog.files import bears, table
from trainer.catalog import Catalog, Columns, HoldOut, ReadOptions, Row, read_catalog
from trainer.errors import CatalogError


def row(path: str, *labels: str, split: str = "train", sha256: str | None = None) -> Row:
    return Row(path=path, labels=frozenset(labels), split=split, sha256=sha256)  # type: ignore[arg-type]


def catalog(*rows: Row, label_delimiter: str | None = None, drawn: HoldOut | None = None) -> Catalog:
    return Catalog(root=Path("/data"), rows=rows, label_delimiter=label_delimiter, drawn=drawn)


def test_rows_and_classes_are_in_order() -> None:
    made = catalog(row("c", "10"), row("b", "9", split="valid"), row("a", "9"), row("d", "é", split="train"))
    assert [item.path for item in made.rows] == ["a", "b", "c", "d"]
    assert made.classes == ("9", "10", "é")
    assert made.task == "classification"
    assert [item.path for item in made.split("train")] == ["a", "c", "d"]
    assert made.split("test") == ()
    assert made.file_of(made.rows[0]) == Path("/data/a")


def test_targets_of_classification() -> None:
    made = catalog(row("a", "x"), row("b", "y"), row("c", "y", split="valid"))
    targets = made.targets(made.rows)
    assert targets.dtype == np.int64
    assert targets.tolist() == [0, 1, 1]
    assert made.targets([]).shape == (0,)


def test_targets_of_multilabel() -> None:
    made = catalog(row("a", "x", "z"), row("b", "y"), row("c", split="valid"), label_delimiter=";")
    targets = made.targets(made.rows)
    assert made.task == "multilabel"
    assert targets.dtype == np.float32
    assert targets.tolist() == [[1, 0, 1], [0, 1, 0], [0, 0, 0]]
    assert made.targets([]).shape == (0, 3)


def test_one_class_is_enough_for_multilabel_alone() -> None:
    rows = (row("a", "x"), row("b", "x", split="valid"))
    assert catalog(*rows, label_delimiter=";").classes == ("x",)
    with pytest.raises(CatalogError, match="/data: the training images have only the class 'x'; classification needs"):
        catalog(*rows)
    with pytest.raises(CatalogError, match="the training images have no label at all; multilabel needs at least 1"):
        catalog(row("a"), row("b", split="valid"), label_delimiter=";")


def test_labels_without_a_training_image() -> None:
    rows = [row("a", "x"), row("b", "y"), row("v/1", "wolf", split="valid"), row("v/2", "wolf", split="valid")]
    with pytest.raises(CatalogError) as info:
        catalog(*rows, row("t", "fox", split="test"))
    assert "no training image has the label 'fox' (1 images, first the test image t), 'wolf' (2 images, " in str(
        info.value
    )


def test_empty_splits() -> None:
    with pytest.raises(CatalogError, match="there are no training images"):
        catalog(row("a", "x", split="valid"))
    with pytest.raises(CatalogError, match=r"too few images to hold any out for validation \(2\)"):
        catalog(row("a", "x"), row("b", "y"))


def test_an_image_in_the_data_and_in_the_validation_data() -> None:
    with pytest.raises(CatalogError, match=r"1 images are both in the data and in the validation data \(a\)"):
        catalog(row("a", "x"), row("b", "y"), row("a", "x", split="valid"))


def test_warnings_about_thin_classes_and_leaks() -> None:
    same = "1" * 64
    made = catalog(
        row("a", "x", sha256=same), row("b", "y"), row("c", "y"), row("d", "y", split="valid", sha256=same),
        row("e", "y", split="test", sha256=same),
    )  # fmt: skip
    single, unmeasured, contradicted, valid, test = made.warnings
    assert contradicted.startswith("1 images are there under different labels, byte for byte the same")
    assert single == "1 of 2 classes has a single training image: 'x'."
    assert "1 of 2 classes has no validation image, so nothing is measured on them: 'x'" in unmeasured
    assert "1 valid images are byte for byte also among the training images" in valid
    assert "d = a" in valid
    assert "1 test images" in test


def test_hashes_draw_again_so_that_identical_files_share_a_split(tmp_path: Path) -> None:
    made = read_catalog(bears(tmp_path, each=20))
    pairs = [f"{item.path[:-5]}{int(item.path[-5]) // 2}".ljust(64, "0") for item in made.rows]  # 00 = 01, 02 = 03, ...
    separated = {digest for digest, item in zip(pairs, made.rows, strict=True) if item.split == "valid"} & {
        digest for digest, item in zip(pairs, made.rows, strict=True) if item.split == "train"
    }
    assert separated  # before the files are hashed
    hashed = made.with_hashes(pairs)
    assert [item.sha256 for item in hashed.rows] == pairs
    assert {item.sha256 for item in hashed.split("valid")}.isdisjoint(item.sha256 for item in hashed.split("train"))
    assert hashed.warnings == ()
    assert len(hashed.split("valid")) == 12


def test_different_hashes_change_no_split(tmp_path: Path) -> None:
    made = read_catalog(bears(tmp_path))
    hashed = made.with_hashes([f"{index:064}" for index in range(30)])
    assert [item.split for item in hashed.rows] == [item.split for item in made.rows]


def test_hashes_keep_given_splits_and_report_changed_files() -> None:
    made = catalog(row("a", "x"), row("b", "y", sha256="0" * 64), row("c", "y", split="valid"))
    hashed = made.with_hashes(["1" * 64] * 3)
    assert [item.split for item in hashed.rows] == ["train", "train", "valid"]
    assert "1 files have changed since the table was written: b." in hashed.warnings
    with pytest.raises(ValueError, match="argument"):
        made.with_hashes([])


def test_without_keeps_the_split_of_every_other_row(tmp_path: Path) -> None:
    made = read_catalog(bears(tmp_path))
    dropped = made.rows[::7]
    left = made.without(dropped)
    assert left.rows == tuple(item for item in made.rows if item not in dropped)
    assert made.without([]).rows == made.rows


def test_a_class_without_training_images_is_left_out() -> None:
    rows = [row("a", "x"), row("b", "y"), row("c", "z"), row("d", "z", split="valid"), row("e", "y", split="valid")]
    left = catalog(*rows).without([rows[2]])
    assert left.classes == ("x", "y")
    assert [item.path for item in left.rows] == ["a", "b", "e"]
    assert "1 classes have no training image left and were left out: 'z'." in left.warnings
    with pytest.raises(CatalogError, match="only the class 'y'"):
        left.without([rows[0]])
    with pytest.raises(CatalogError, match="too few images"):
        left.without([rows[4]])


def test_an_image_stays_without_its_lost_label() -> None:
    rows = [row("a", "x"), row("b", "y", "x"), row("c", "x", "y", split="valid")]
    left = catalog(*rows, label_delimiter=";").without([rows[1]])
    assert left.classes == ("x",)
    assert left.rows[1].labels == {"x"}


@pytest.mark.parametrize("label_delimiter", [None, "|"])
def test_a_written_catalog_is_read_back(tmp_path: Path, label_delimiter: str | None) -> None:
    header, columns = ["path", "label"], Columns(label_delimiter=label_delimiter)
    one = table(tmp_path / "one" / "x.csv", header, [[f"{number}.jpg", f"c{number % 3}"] for number in range(30)])
    two = table(tmp_path / "two" / "y.csv", header, [["v.jpg", "c0"], ["in/w.jpg", "c1"]])
    made = read_catalog(one, ReadOptions(columns=columns), valid=two).with_hashes(["a" * 64] * 32)
    assert [item.path for item in made.split("valid")] == ["../two/in/w.jpg", "../two/v.jpg"]
    made.write_csv(tmp_path / "catalog.csv")
    again = read_catalog(tmp_path / "catalog.csv", ReadOptions(root=made.root, columns=columns))
    assert (again.rows, again.root, again.task) == (made.rows, made.root, made.task)
    with pytest.raises(FileExistsError):
        made.write_csv(tmp_path / "catalog.csv")


def test_a_table_keeps_a_drawn_split(tmp_path: Path) -> None:
    made = read_catalog(bears(tmp_path / "data"), ReadOptions(seed=5))
    made.write_csv(tmp_path / "catalog.csv")
    again = read_catalog(tmp_path / "catalog.csv", ReadOptions(root=tmp_path / "data", seed=6))
    assert again.rows == made.rows
    assert (made.drawn, again.drawn) == (HoldOut(fraction=0.2, seed=5), None)
