"""What was read, in one line, and what is doubtful about it."""

from __future__ import annotations

from pathlib import Path

from tests.trainer.catalog.files import bears, put
from trainer.catalog import Catalog, ReadOptions, Row, read_catalog, summary_line


def catalog(*paths: str, **values: str) -> Catalog:
    """Images whose first folder is their split and whose second is their label."""
    rows = [Row(path=path, labels=frozenset({path.split("/")[1]}), split=path.split("/")[0]) for path in paths]  # type: ignore[arg-type]
    return Catalog(root=Path("/photos"), rows=tuple(rows), **values)  # type: ignore[arg-type]


def test_the_summary_is_one_line(tmp_path: Path) -> None:
    put(bears(tmp_path / "photos", each=10, classes=("black", "grizzly")), "teddy/part_1/1.jpg", "teddy/part_2/2.jpg")
    assert read_catalog(tmp_path / "photos").summary == (
        f"{tmp_path}/photos: 22 images of 3 classes: 18 train, 4 validation drawn at random, 0 test; most images: "
        "black 10, fewest: teddy 2; labels: the folder at level 1, black/00.jpg -> black, grizzly/00.jpg -> grizzly, "
        "teddy/part_1/1.jpg -> teddy"
    )


def test_the_summary_without_a_name_and_a_reader() -> None:
    made = catalog("train/a/1", "train/b/2", "valid/a/3", "valid/b/4", "test/a/5", "test/b/6")
    assert made.summary == "/photos: 6 images of 2 classes: 2 train, 2 validation, 2 test; 3 of each class"


def test_the_summary_of_several_labels() -> None:
    rows = (
        Row(path="1", labels=frozenset({"b", "a"}), split="train"),
        Row(path="2", labels=frozenset(), split="train"),
        Row(path="3", labels=frozenset({"a"}), split="valid"),
    )
    made = Catalog(
        root=Path("/photos"), rows=rows, label_delimiter=";", source="x.csv", labelled_by="the column 'tags'"
    )
    assert made.summary == (
        "x.csv: 3 images of 2 classes: 2 train, 1 validation, 0 test; most images: a 2, fewest: b 1; labels: the "
        "column 'tags', 1 -> a + b, 2 -> no label, 3 -> a"
    )


def test_examples_are_of_different_classes_if_possible() -> None:
    made = catalog(*(f"train/{label}/{number}" for label in "abcdefgh" for number in range(3)), "valid/a/x")
    assert [label for _, label in made.label_examples(3)] == ["a", "e", "h"]
    assert [label for _, label in made.label_examples(10)][:8] == [*"abcdefgh"]
    assert len({path for path, _ in made.label_examples(100)}) == 25
    assert made.label_examples(0) == []


def test_labels_that_are_only_written_in_another_way(tmp_path: Path) -> None:
    put(
        tmp_path,
        *(f"{label}/{number}.jpg" for label in ("Golden Retriever", "golden_retriever", "fox") for number in range(5)),
    )
    put(tmp_path, "golden-retriever/x.jpg", "golden_retriever/y.jpg", "ﬁn/1.jpg", "FIN/2.jpg")
    names = "'FIN' (1) and 'ﬁn' (1), 'golden_retriever' (6) and 'Golden Retriever' (5) and 'golden-retriever' (1)"
    (remark,) = [text for text in read_catalog(tmp_path).warnings if "written in several ways" in text]
    assert names in remark
    assert remark.endswith("`merge_labels=True` joins them.")
    merged = read_catalog(tmp_path, ReadOptions(merge_labels=True))
    assert merged.classes == ("FIN", "fox", "golden_retriever")
    assert len([row for row in merged.rows if row.labels == {"golden_retriever"}]) == 12
    assert not [text for text in merged.warnings if "written in several ways" in text]


def test_one_content_under_two_labels() -> None:
    made = catalog("train/a/1", "train/b/2", "train/a/3", "train/b/4", "valid/a/5", "valid/b/6")
    hashed = made.with_hashes([letter * 64 for letter in "abbacd"])  # train/a/1, train/a/3, train/b/2, train/b/4, ...
    assert hashed.warnings == (
        "2 images are there under different labels, byte for byte the same, so at least one of the labels is wrong: "
        "train/a/1 = train/b/4, train/a/3 = train/b/2.",
    )


def test_a_class_of_one_picture() -> None:
    made = catalog("train/a/1", "train/a/2", "train/b/3", "train/b/4", "valid/b/5")
    hashed = made.with_hashes([letter * 64 for letter in "aabcd"])
    assert hashed.warnings[-1] == (
        "1 classes have only one picture, in several identical files, so little can be learned about them: 'a' (2 "
        "images)."
    )


def test_the_summary_of_images_without_any_label() -> None:
    rows = [Row(path="1", labels=frozenset(), split="test")]
    line = summary_line(rows, [], source="x.csv", labelled_by="the column 'tags'", drawn=False)
    assert line.startswith("x.csv: 1 image of 0 classes: 0 train, 0 validation, 1 test; 0 of each class; labels: ")
