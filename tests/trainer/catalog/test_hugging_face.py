from __future__ import annotations

import json
import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from tests.trainer.catalog.files import bears, put
from trainer.catalog import Columns, ReadOptions, read_catalog
from trainer.errors import CatalogError


def jsonl(path: Path, rows: Iterable[dict[str, Any]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))


def listed(folder: Path, count: int, **more: Any) -> list[dict[str, Any]]:
    """Rows for `count` images of the classes a and b, which are made, too."""
    put(folder, *(f"{number}.png" for number in range(count)))
    return [{"file_name": f"{number}.png", "label": "ab"[number % 2], **more} for number in range(count)]


def counts(path: Path, **columns: Any) -> tuple[int, int, int]:
    catalog = read_catalog(path, ReadOptions(columns=Columns(**columns)))
    assert all(catalog.file_of(row).is_file() for row in catalog.rows)
    return tuple(len(catalog.split(split)) for split in ("train", "valid", "test"))  # type: ignore[return-value]


def test_one_table_for_all_images(tmp_path: Path) -> None:
    jsonl(tmp_path / "metadata.jsonl", listed(tmp_path, 10, caption="a bear"))
    catalog = read_catalog(tmp_path)
    assert (catalog.classes, len(catalog.rows), catalog.warnings) == (("a", "b"), 10, ())
    assert catalog.folder == tmp_path.resolve()
    assert catalog.drawn is not None


def test_a_table_in_the_folder_of_each_split(tmp_path: Path) -> None:
    for split, count in (("train", 6), ("validation", 4), ("Test", 2)):
        jsonl(tmp_path / split / "metadata.jsonl", listed(tmp_path / split, count))
    assert counts(tmp_path) == (6, 4, 2)
    (tmp_path / "validation" / "metadata.jsonl").unlink()
    (tmp_path / "validation" / "metadata.csv").write_text("file_name,label\n0.png,a\n1.png,b\n")
    assert counts(tmp_path) == (6, 2, 2)
    assert "2 images are not in" in read_catalog(tmp_path).warnings[0]


def test_paths_that_start_with_the_split(tmp_path: Path) -> None:
    rows = [
        {"file_name": f"{split}/{row['file_name']}", "label": row["label"]}
        for split, count in (("train", 6), ("test", 2))
        for row in listed(tmp_path / split, count)
    ]
    jsonl(tmp_path / "metadata.jsonl", rows)
    assert counts(tmp_path) == (5, 1, 2)
    for row in rows:
        row["split"] = "valid" if row["file_name"].startswith("test") else "train"
    jsonl(tmp_path / "metadata.jsonl", rows)
    assert counts(tmp_path) == (6, 2, 0)


def test_another_column_is_the_label(tmp_path: Path) -> None:
    jsonl(
        tmp_path / "metadata.jsonl",
        [{**row, "breed": "cdef"[int(row["file_name"][0]) // 2]} for row in listed(tmp_path, 8)],
    )
    assert read_catalog(tmp_path, ReadOptions(columns=Columns(label="breed"))).classes == ("c", "d", "e", "f")
    with pytest.raises(CatalogError, match=r"metadata.jsonl: there is no column 'genus'; name the labels with"):
        read_catalog(tmp_path, ReadOptions(columns=Columns(label="genus")))


def test_several_labels(tmp_path: Path) -> None:
    jsonl(tmp_path / "metadata.jsonl", [{**row, "label": ["a", row["label"]]} for row in listed(tmp_path, 8)])
    catalog = read_catalog(tmp_path)
    assert (catalog.task, catalog.classes) == ("multilabel", ("a", "b"))
    (tmp_path / "metadata.jsonl").unlink()
    (tmp_path / "metadata.csv").write_text("file_name,tags\n0.png,a;b\n1.png,b\n2.png,a\n3.png,\n")
    assert read_catalog(tmp_path, ReadOptions(columns=Columns(label_delimiter=";", label="tags"))).task == "multilabel"


def test_a_table_without_labels_leaves_them_to_the_folders(tmp_path: Path) -> None:
    bears(tmp_path, each=3)
    names = [str(path.relative_to(tmp_path)) for path in sorted(tmp_path.glob("*/*.jpg"))]
    jsonl(tmp_path / "metadata.jsonl", [{"file_name": name, "caption": "x"} for name in names])
    catalog = read_catalog(tmp_path)
    assert catalog.classes == ("black", "grizzly", "teddy")
    assert "it has no column 'label', so the folders of the images are their labels" in catalog.warnings[0]


def test_a_split_without_labels_is_left_out(tmp_path: Path) -> None:
    jsonl(tmp_path / "train" / "metadata.jsonl", listed(tmp_path / "train", 6))
    rows = listed(tmp_path / "test", 3)
    jsonl(tmp_path / "test" / "metadata.jsonl", [{"file_name": row["file_name"]} for row in rows])
    catalog = read_catalog(tmp_path)
    assert len(catalog.rows) == 6
    assert "test/metadata.jsonl: it has no column 'label', so its images are left out." in catalog.warnings[0]


def test_other_tables_are_ignored(tmp_path: Path) -> None:
    bears(tmp_path, each=3)
    (tmp_path / "metadata.csv").write_text('camera,lens\n"x"z,y\n')
    (tmp_path / "metadata.jsonl").write_text("not JSON\n")
    (tmp_path / "labels.csv").write_text("file_name,label\nblack/00.jpg,x\n")
    assert read_catalog(tmp_path).classes == ("black", "grizzly", "teddy")


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ("file_name,label\n0.png,a\n9.png,b\n", "metadata.csv: 1 of 2 images are not under .* \\(row 3: 9.png"),
        ("file_name,label\n0.png,a\n1.png,NaN\n", "metadata.csv, row 3: the label is 'NaN'"),
        ("file_name,label\n0.png,a\n0.png,b\n", "metadata.csv, row 3: 0.png is 'b' .* here and 'a' .* in row 2"),
        ("file_name,label\n0.png,caf\udce9\n", "metadata.csv, row 2: .* not UTF-8"),
    ],
)
def test_errors_name_the_table_and_the_row(tmp_path: Path, rows: str, said: str) -> None:
    put(tmp_path, "0.png", "1.png")
    (tmp_path / "metadata.csv").write_text(rows, errors="surrogateescape")
    with pytest.raises(CatalogError, match=said):
        read_catalog(tmp_path)


def test_two_tables(tmp_path: Path) -> None:
    jsonl(tmp_path / "metadata.jsonl", listed(tmp_path, 4))
    (tmp_path / "metadata.csv").write_text("file_name,label\n0.png,a\n")
    with pytest.raises(CatalogError, match=r"each of metadata.csv and metadata.jsonl lists the images; remove one"):
        read_catalog(tmp_path)
    (tmp_path / "metadata.csv").unlink()
    jsonl(tmp_path / "train" / "metadata.jsonl", [{"file_name": "../0.png", "label": "a"}])
    with pytest.raises(CatalogError, match=r"0.png is listed in two tables; remove it from one"):
        read_catalog(tmp_path)


def test_a_table_in_parquet(tmp_path: Path) -> None:
    pyarrow = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    parquet.write_table(pyarrow.Table.from_pylist(listed(tmp_path, 6)), tmp_path / "metadata.parquet")
    assert counts(tmp_path) == (5, 1, 0)


@pytest.mark.parametrize("kind", ["zip", "gztar"])
def test_in_an_archive(tmp_path: Path, kind: str) -> None:
    for split, count in (("train", 6), ("test", 2)):
        jsonl(tmp_path / "set" / split / "metadata.jsonl", listed(tmp_path / "set" / split, count))
    archive = Path(shutil.make_archive(str(tmp_path / "x"), kind, tmp_path, "set"))
    assert read_catalog(archive).rows == read_catalog(tmp_path / "set").rows


def test_images_that_are_not_listed_are_left_out(tmp_path: Path) -> None:
    jsonl(tmp_path / "metadata.jsonl", listed(tmp_path, 6))
    put(tmp_path, "more/7.png")
    catalog = read_catalog(tmp_path)
    assert len(catalog.rows) == 6
    assert catalog.warnings[0].endswith(": 1 images are not in metadata.jsonl and were left out: 'more/7.png'.")
