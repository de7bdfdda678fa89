from __future__ import annotations

import os
import shutil
from collections import Counter
from pathlib import Path

import pytest

from service.inputs import InputError, read_records, walk
from tests.trainer.catalog.files import bears, put, table
from trainer.catalog import Columns, ReadOptions, read_catalog, read_test
from trainer.errors import CatalogError

real_data = os.environ.get("FIELDGUIDE_REAL_DATA")


def test_a_folder_is_split_by_class(tmp_path: Path) -> None:
    catalog = read_catalog(bears(tmp_path, each=10))
    assert catalog.task == "classification"
    assert catalog.classes == ("black", "grizzly", "teddy")
    valid = Counter(label for row in catalog.split("valid") for label in row.labels)
    assert valid == {"black": 2, "grizzly": 2, "teddy": 2}
    assert len(catalog.split("train")) == 24
    assert catalog.warnings == ()


def test_neither_location_nor_creation_order_changes_the_split(tmp_path: Path) -> None:
    names = [f"{label}/{number}.jpg" for label in ("a", "b") for number in range(12)]
    first = read_catalog(put(tmp_path / "one", *names))
    second = read_catalog(put(tmp_path / "two", *reversed(names)))
    assert first.rows == second.rows
    assert read_catalog(tmp_path / "one", ReadOptions(seed=1)).rows != first.rows
    shuffled = table(tmp_path / "one" / "x.csv", ["path", "label"], [[name, name[0]] for name in reversed(names)])
    assert read_catalog(shuffled).rows == first.rows  # a table of the same images, in another order


def test_one_more_image_does_not_move_the_others(tmp_path: Path) -> None:
    before = {row.path: row.split for row in read_catalog(bears(tmp_path, each=50)).rows}
    put(tmp_path, "black/new.jpg")
    after = {row.path: row.split for row in read_catalog(tmp_path).rows}
    assert sum(after[path] != split for path, split in before.items()) <= 1


def test_the_splits_of_a_folder_are_used(tmp_path: Path) -> None:
    for split, each in (("train", 5), ("valid", 2), ("test", 1)):
        bears(tmp_path / split, each=each)
    catalog = read_catalog(tmp_path)
    assert [len(catalog.split(split)) for split in ("train", "valid", "test")] == [15, 6, 3]
    assert all(row.path.startswith(row.split) for row in catalog.rows)
    assert catalog.drawn is None
    shutil.rmtree(tmp_path / "valid")
    catalog = read_catalog(tmp_path)
    assert [len(catalog.split(split)) for split in ("train", "valid", "test")] == [12, 3, 3]
    assert all(row.path.startswith("test") == (row.split == "test") for row in catalog.rows)


def test_a_second_folder_to_validate_on(tmp_path: Path) -> None:
    bears(tmp_path / "here", each=4)
    bears(tmp_path / "there", each=2)
    catalog = read_catalog(tmp_path / "here", valid=tmp_path / "there")
    assert catalog.root == (tmp_path / "here").resolve()
    assert len(catalog.split("train")) == 12
    assert [row.path for row in catalog.split("valid")][:2] == ["../there/black/00.jpg", "../there/black/01.jpg"]
    assert all(catalog.file_of(row).is_file() for row in catalog.rows)


def test_a_second_source_through_links(tmp_path: Path) -> None:
    bears(tmp_path / "deep" / "down" / "here", each=2)
    bears(tmp_path / "there", each=2)
    (tmp_path / "here").symlink_to(tmp_path / "deep" / "down" / "here")
    (tmp_path / "also").symlink_to(tmp_path / "there")
    catalog = read_catalog(tmp_path / "here", valid=tmp_path / "also")
    assert all(catalog.file_of(row).is_file() for row in catalog.rows)


def test_a_second_table_shares_the_root(tmp_path: Path) -> None:
    photos = put(tmp_path / "photos", "1.jpg", "2.jpg", "3.jpg")
    for name, content in (("t.csv", "file,kind\n1.jpg,a\n2.jpg,b\n"), ("v.csv", "file,kind\n3.jpg,b\n")):
        (tmp_path / name).write_text(content)
    catalog = read_catalog(
        tmp_path / "t.csv",
        ReadOptions(root=photos, columns=Columns(path="file", label="kind")),
        valid=tmp_path / "v.csv",
    )
    assert [(row.path, row.split) for row in catalog.rows] == [
        ("1.jpg", "train"),
        ("2.jpg", "train"),
        ("3.jpg", "valid"),
    ]


def test_a_second_source_with_splits(tmp_path: Path) -> None:
    bears(tmp_path / "here", each=2)
    rows = [["1.jpg", "black", "valid"], ["2.jpg", "teddy", "test"]]
    csv = table(tmp_path / "there" / "x.csv", ["path", "label", "split"], rows)
    catalog = read_catalog(tmp_path / "here", valid=csv)
    assert [(row.path, row.split) for row in catalog.rows[:2]] == [
        ("../there/1.jpg", "valid"),
        ("../there/2.jpg", "test"),
    ]
    csv = table(tmp_path / "there" / "x.csv", ["path", "label", "split"], [*rows, ["3.jpg", "black", "train"]])
    with pytest.raises(CatalogError, match=r"x.csv: some images are marked as train"):
        read_catalog(tmp_path / "here", valid=csv)


def test_a_label_without_training_images(tmp_path: Path) -> None:
    bears(tmp_path / "here")
    put(tmp_path / "there", "wolf/1.jpg", "wolf/2.jpg", "black/3.jpg")
    with pytest.raises(CatalogError, match=r"'wolf' \(2 images, first the valid image ../there/wolf/1.jpg\)"):
        read_catalog(tmp_path / "here", valid=tmp_path / "there")


def test_two_validation_sets(tmp_path: Path) -> None:
    for split in ("train", "valid"):
        bears(tmp_path / "here" / split)
    with pytest.raises(CatalogError, match=r"it has validation images already, and .*valid gives others"):
        read_catalog(tmp_path / "here", valid=tmp_path / "here" / "valid")


def test_validation_images_that_are_also_training_images(tmp_path: Path) -> None:
    bears(tmp_path / "all" / "some")
    bears(tmp_path / "all" / "more")
    with pytest.raises(CatalogError, match=r"30 images are both in the data and in the validation data \(some/black"):
        read_catalog(tmp_path / "all", valid=tmp_path / "all" / "some")


def test_remarks_of_both_sources(tmp_path: Path) -> None:
    for name in ("here", "there"):
        put(bears(tmp_path / name, each=3), f"{name}.txt")
    first, second = read_catalog(tmp_path / "here", valid=tmp_path / "there").warnings
    assert first.startswith(f"{tmp_path}/here: ")
    assert second.startswith(f"{tmp_path}/there: ")


def test_data_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(CatalogError, match=r"nowhere: there is no such folder or file; give a folder of images"):
        read_catalog(tmp_path / "nowhere")
    with pytest.raises(CatalogError, match=r"this cannot be read \(File name too long\); give another path"):
        read_catalog(tmp_path / ("x" * 300))
    put(tmp_path, "photo.jpg")
    with pytest.raises(CatalogError, match=r"photo.jpg: this is neither a folder, a table nor an archive"):
        read_catalog(tmp_path / "photo.jpg")
    odd = tmp_path / os.fsdecode(b"caf\xe9")
    bears(odd)
    with pytest.raises(CatalogError, match=r"caf\\udce9': this path has control characters or bytes that are not"):
        read_catalog(odd)
    bears(tmp_path / "folder.csv")
    assert read_catalog(tmp_path / "folder.csv").classes == ("black", "grizzly", "teddy")


def test_an_input_error_becomes_a_catalog_error_with_the_same_message(tmp_path: Path) -> None:
    csv = table(tmp_path / "x.csv", ["path", "kind"], [["1.jpg", "a"]])
    with pytest.raises(CatalogError) as from_table:
        read_catalog(csv)
    with pytest.raises(InputError) as missing:
        list(read_records(csv, required={"path_column": "path", "label_column": "label"}))
    assert str(from_table.value) == str(missing.value)
    odd = tmp_path / "photos" / "a\nb"
    odd.mkdir(parents=True)
    (odd / "1.jpg").touch()
    with pytest.raises(CatalogError) as from_folder:
        read_catalog(odd.parent)
    with pytest.raises(InputError) as unwritable:
        walk(odd.parent.resolve())
    assert str(from_folder.value) == str(unwritable.value)


def test_options_that_do_not_fit(tmp_path: Path) -> None:
    data = bears(tmp_path)
    with pytest.raises(
        CatalogError, match="a folder gives each image one label; several labels for an image need a CSV"
    ):
        read_catalog(data, ReadOptions(columns=Columns(label_delimiter=";")))
    with pytest.raises(CatalogError, match="`root` is for the paths in a CSV"):
        read_catalog(data, ReadOptions(root=tmp_path))
    with pytest.raises(CatalogError, match="`label_delimiter` is empty"):
        read_catalog(data, ReadOptions(columns=Columns(label_delimiter="")))
    with pytest.raises(CatalogError, match="fraction of validation images is 0"):
        read_catalog(data, ReadOptions(valid_fraction=0))


def test_too_little_to_learn_from(tmp_path: Path) -> None:
    with pytest.raises(CatalogError, match="only the class 'black'; classification needs at least 2"):
        read_catalog(bears(tmp_path / "one", classes=("black",)))
    with pytest.raises(CatalogError, match=r"there are too few images to hold any out for validation \(3\)"):
        read_catalog(bears(tmp_path / "each", each=1))
    csv = table(tmp_path / "x.csv", ["path", "label", "split"], [["1.jpg", "a", "valid"], ["2.jpg", "b", "test"]])
    with pytest.raises(CatalogError, match="there are no training images"):
        read_catalog(csv)


def test_a_class_of_one_image_stays_in_training(tmp_path: Path) -> None:
    catalog = read_catalog(put(bears(tmp_path), "panda/1.jpg"))
    assert [row.split for row in catalog.rows if "panda" in row.labels] == ["train"]
    assert "1 of 4 classes has a single training image: 'panda'." in catalog.warnings


def test_other_test_images_replace_those_of_the_catalog(tmp_path: Path) -> None:
    rows = [("a/1.jpg", "a", "train"), ("b/2.jpg", "b", "train"), ("a/3.jpg", "a", "valid"), ("b/4.jpg", "b", "test")]
    catalog = read_catalog(table(tmp_path / "own" / "own.csv", ["path", "label", "split"], rows))
    others = table(tmp_path / "more" / "t.csv", ["file", "kind"], [("x.jpg", "b")])
    tested = read_test(catalog, others, ReadOptions(columns=Columns(path="file", label="kind")))
    assert tested.root == (tmp_path / "more").resolve()
    assert {row.path: row.split for row in tested.rows} == {
        "../own/a/1.jpg": "train", "../own/b/2.jpg": "train", "../own/a/3.jpg": "valid", "x.jpg": "test",
    }  # fmt: skip
    assert all(tested.file_of(row).is_file() for row in tested.rows)
    assert tested.classes == catalog.classes == ("a", "b")


def test_a_table_of_images_that_do_not_exist_any_more(tmp_path: Path) -> None:
    rows = [("1.jpg", "a", "train"), ("2.jpg", "b", "train"), ("3.jpg", "a", "valid")]
    path = table(tmp_path / "x.csv", ["path", "label", "split"], rows)
    before = read_catalog(path)
    (tmp_path / "2.jpg").unlink()
    with pytest.raises(CatalogError, match=r"1 of 3 images are not under .*row 3: 2.jpg"):
        read_catalog(path)
    assert read_catalog(path, must_exist=False) == before


@pytest.mark.real_data
def test_test_images_are_read_in_the_same_way(tmp_path: Path) -> None:
    options = ReadOptions(class_level=1, merge_labels=True)
    put(tmp_path / "one", *(f"{label}/in/{number}.jpg" for label in ("Red Fox", "Owl") for number in range(9)))
    catalog = read_catalog(tmp_path / "one", options)
    tested = read_test(catalog, put(tmp_path / "two", "red_fox/in/1.jpg", "owl/in/2.jpg"), options)
    assert [row.labels for row in tested.split("test")] == [{"Owl"}, {"Red Fox"}]
    assert tested.source == str(tmp_path / "two")
    with pytest.raises(CatalogError, match="no training image has the label 'owl'"):
        read_test(catalog, tmp_path / "two", ReadOptions(class_level=1))


def test_what_is_said_about_splits_does_not_matter_to_test_images(tmp_path: Path) -> None:
    catalog = read_catalog(bears(tmp_path / "one"))
    bears(tmp_path / "two" / "train", each=1)
    bears(tmp_path / "two" / "Testing", each=2)
    options = ReadOptions(split="random", group_by="nothing", seed=1)
    assert len(read_test(catalog, tmp_path / "two", options).split("test")) == 6


@pytest.mark.skipif(real_data is None, reason="FIELDGUIDE_REAL_DATA names no folder")
def test_the_grocery_photos() -> None:
    grocery = Path(str(real_data))
    fine = read_catalog(grocery / "train.csv", valid=grocery / "val.csv")
    assert (len(fine.classes), len(fine.split("train")), len(fine.split("valid"))) == (81, 2640, 296)
    assert "21 of 81 classes have no validation image" in "".join(fine.warnings)
    tags = read_catalog(grocery / "train.csv", ReadOptions(columns=Columns(label="tags", label_delimiter=";")))
    assert tags.targets(tags.rows).shape == (2640, len(tags.classes))
    differences = tags.targets(tags.split("valid")).mean(0) - tags.targets(tags.split("train")).mean(0)
    assert abs(differences).max() < 0.01
    by_coarse = ReadOptions(columns=Columns(coarse="coarse"))
    coarse = read_catalog(grocery / "train.csv", by_coarse, valid=grocery / "val.csv")
    assert (len(coarse.classes), len(coarse.coarse_labels)) == (81, 43)
    folder = read_catalog(grocery / "train")
    assert folder.classes == fine.classes
    assert len(folder.split("valid")) == 528


def test_options_for_folders_that_do_not_matter_to_a_table(tmp_path: Path) -> None:
    csv = table(tmp_path / "x.csv", ["path", "label"], [[f"{number}.jpg", "ab"[number % 2]] for number in range(10)])
    (remark,) = read_catalog(csv, ReadOptions(class_level=1, any_suffix=True)).warnings
    assert remark == f"{csv}: `class_level`, `any_suffix`: no effect on a CSV, whose columns give paths and labels."
