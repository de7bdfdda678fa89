"""Which images are for validation: by the data, a list, a function, groups, or chance."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.trainer.catalog.files import bears, put, table
from trainer.catalog import Catalog, ReadOptions, read_catalog
from trainer.errors import CatalogError


def valid_paths(catalog: Catalog) -> list[str]:
    return [row.path for row in catalog.split("valid")]


def test_a_random_split_does_not_look_at_folders_or_columns(tmp_path: Path) -> None:
    put(
        tmp_path / "folder",
        *(f"{split}/{label}/{number}.jpg" for split in ("train", "test") for label in "ab" for number in range(5)),
    )
    rows = [[f"{number}.jpg", "ab"[number % 2], "valid" if number else "train"] for number in range(10)]
    csv = table(tmp_path / "x.csv", ["path", "label", "split"], rows)
    for data, count in ((tmp_path / "folder", 20), (csv, 10)):
        catalog = read_catalog(data, ReadOptions(split="random"))
        assert len(catalog.split("valid")) == count / 5
        assert not catalog.split("test")
        assert catalog.drawn is not None


def test_a_split_by_folders_is_required(tmp_path: Path) -> None:
    bears(tmp_path / "train", each=2)
    with pytest.raises(CatalogError, match=r"`split='folder'` needs validation images: in a folder called valid"):
        read_catalog(tmp_path, ReadOptions(split="folder"))
    bears(tmp_path / "val", each=1)
    assert read_catalog(tmp_path, ReadOptions(split="folder")).drawn is None


@pytest.mark.parametrize("split", ["auto", "list"])
def test_a_list_names_the_validation_images(tmp_path: Path, split: str) -> None:
    bears(tmp_path / "data", each=3)
    put(tmp_path / "data", "black/only here.jpg")
    names = tmp_path / "valid.txt"
    names.write_text(
        f"\ufeffblack/00.jpg\r\n\r\n./teddy/../teddy/01.jpg \n{tmp_path}/data/grizzly/02.jpg\nonly here.jpg\n"
    )
    catalog = read_catalog(tmp_path / "data", ReadOptions(split=split, valid_list=names))
    assert valid_paths(catalog) == ["black/00.jpg", "black/only here.jpg", "grizzly/02.jpg", "teddy/01.jpg"]
    assert catalog.drawn is None


def test_a_list_for_a_table(tmp_path: Path) -> None:
    csv = table(tmp_path / "x.csv", ["path", "label"], [[f"in/{number}.jpg", "ab"[number % 2]] for number in range(6)])
    (tmp_path / "valid.txt").write_text("in/3.jpg\nin/4.jpg")
    assert valid_paths(read_catalog(csv, ReadOptions(valid_list=tmp_path / "valid.txt"))) == ["in/3.jpg", "in/4.jpg"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"black/00.jpg\nblack/99.jpg\n", r"1 of 2 lines do not name one of the images \(line 2: 'black/99.jpg'\)"),
        (b"00.jpg\n", r"line 1: '00.jpg', which 3 images have"),
        (b"\n", r"it has no line"),
        (b"caf\xe9.jpg", r"cannot be read \(it is not UTF-8\)"),
        (b"a\x01b", r"line 1: the path 'a\\x01b' has a control character"),
    ],
)
def test_a_list_that_does_not_fit(tmp_path: Path, content: bytes, message: str) -> None:
    bears(tmp_path / "data", each=3)
    (tmp_path / "valid.txt").write_bytes(content)
    with pytest.raises(CatalogError, match=message):
        read_catalog(tmp_path / "data", ReadOptions(valid_list=tmp_path / "valid.txt"))
    with pytest.raises(CatalogError, match=r"cannot be read \(No such file"):
        read_catalog(tmp_path / "data", ReadOptions(valid_list=tmp_path / "none.txt"))


def test_a_function_gives_the_splits(tmp_path: Path) -> None:
    bears(tmp_path, each=5)
    catalog = read_catalog(
        tmp_path, ReadOptions(split_of=lambda path: {"00": "Val", "01": "test"}.get(path.stem, "train"))
    )
    assert [len(catalog.split(split)) for split in ("train", "valid", "test")] == [9, 3, 3]
    tested = read_catalog(tmp_path, ReadOptions(split_of=lambda path: "test" if path.stem == "00" else "train"))
    assert [len(tested.split(split)) for split in ("train", "valid", "test")] == [10, 2, 3]
    with pytest.raises(CatalogError, match=r"black/00.jpg: the function for splits gives None; it must be"):
        read_catalog(tmp_path, ReadOptions(split_of=lambda _path: None))  # type: ignore[arg-type, return-value]


@pytest.mark.parametrize("by", ["column", "pattern"])
def test_images_of_one_group_share_a_split(tmp_path: Path, by: str) -> None:
    names = [f"{label}/person{person}_{number}.jpg" for label in "ab" for person in range(8) for number in range(5)]
    if by == "pattern":
        catalog = read_catalog(put(tmp_path, *names), ReadOptions(group_by="/[ab]/(person[0-9])_"))
    else:
        rows = [[name, name[0], name.split("/")[1].split("_")[0]] for name in names]
        catalog = read_catalog(table(tmp_path / "x.csv", ["path", "label", "who"], rows), ReadOptions(group_by="who"))
    assert 10 <= len(catalog.split("valid")) <= 20
    people = {split: {row.group for row in catalog.split(split)} for split in ("train", "valid")}  # type: ignore[arg-type]
    assert not people["train"] & people["valid"]
    assert people["train"] | people["valid"] == {f"person{number}" for number in range(8)}


def test_groups_and_identical_files_are_kept_together_through_each_other(tmp_path: Path) -> None:
    """1 and 2 are one group, 2 and 3 the same content, 3 and 4 one group."""
    groups = ["g", "g", "h", "h", *("" for _ in range(16))]
    rows = [[f"{number:02}.jpg", "ab"[number % 2], group] for number, group in enumerate(groups, start=1)]
    csv = table(tmp_path / "x.csv", ["path", "label", "who"], rows)
    for seed in range(20):
        catalog = read_catalog(csv, ReadOptions(group_by="who", valid_fraction=0.5, seed=seed))
        hashed = catalog.with_hashes(
            [f"{min(number, 2) if number in (2, 3) else number:064}" for number in range(1, 21)]
        )
        assert len({row.split for row in hashed.rows[:4]}) == 1


def test_groups_that_the_data_divides_are_reported(tmp_path: Path) -> None:
    put(tmp_path, "train/a/p1_1.jpg", "train/b/p2_2.jpg", "valid/a/p1_3.jpg", "valid/b/p3_4.jpg")
    catalog = read_catalog(tmp_path, ReadOptions(group_by="/(p[0-9])_"))
    assert "1 groups have images in several splits of the data" in catalog.warnings[0]
    assert "'p1'; `split='random'` keeps groups together" in catalog.warnings[0]


@pytest.mark.parametrize(
    ("group_by", "message"),
    [
        ("who", "there is no column 'who' with groups, and `group_by` 'who' has no group"),
        ("(", r"`group_by` '\(' is not a regular expression: missing"),
        ("(xyz)", r"`group_by` '\(xyz\)' finds no group in any path, such as black/00.jpg"),
    ],
)
def test_groups_that_are_not_there(tmp_path: Path, group_by: str, message: str) -> None:
    with pytest.raises(CatalogError, match=message):
        read_catalog(bears(tmp_path), ReadOptions(group_by=group_by))


def test_a_second_source_is_the_only_rule(tmp_path: Path) -> None:
    one, two = bears(tmp_path / "one"), bears(tmp_path / "two")
    for options in (ReadOptions(split="random"), ReadOptions(split="folder"), ReadOptions(group_by="(.)")):
        with pytest.raises(CatalogError, match="it gives the validation images"):
            read_catalog(one, options, valid=two)


def test_classes_of_one_picture_each_are_trained_with_a_warning(tmp_path: Path) -> None:
    catalog = read_catalog(bears(tmp_path, each=5)).with_hashes([f"{number // 5:064}" for number in range(15)])
    assert len(catalog.split("valid")) == 3
    uniform, leak = catalog.warnings
    assert uniform.startswith("3 classes have only one picture, in several identical files")
    assert "3 valid images are byte for byte also among the training images" in leak
