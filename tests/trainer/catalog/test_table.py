from __future__ import annotations

from pathlib import Path

import pytest

from service.inputs import InputError
from tests.trainer.catalog.files import put, table
from trainer.catalog.row import Row, Source
from trainer.catalog.table import Columns, read_table, write_table
from trainer.errors import CatalogError


def read(csv: Path, *, root: Path | None = None, **columns: str) -> Source:
    return read_table(csv, root=root, columns=Columns(**columns))


def raw(path: Path, content: str | bytes) -> Path:
    """A table with exactly these bytes, next to the images a.jpg and b.jpg."""
    put(path.parent, "a.jpg", "b.jpg")
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def found(source: Source) -> dict[str, str]:
    return {row.path: "+".join(sorted(row.labels)) for row in source.rows}


@pytest.mark.parametrize(
    "content",
    [
        "label ; path\nblack;a.jpg\nteddy;b.jpg\n",  # more dialects: tests/service/inputs/test_table.py
        "path,extra,label\na.jpg,\"1,\n2\", black \n\n,,\n./x/../b.jpg,,teddy\n",
    ],
)  # fmt: skip
def test_dialects(tmp_path: Path, content: str) -> None:
    source = read(raw(tmp_path / "bears.csv", content))
    assert found(source) == {"a.jpg": "black", "b.jpg": "teddy"}
    assert (source.root, source.has_splits, source.remarks) == (tmp_path.resolve(), False, ())


def test_commas_and_quotes_in_names(tmp_path: Path) -> None:
    csv = table(tmp_path / "x.csv", ["path", "label"], [['big, "brown".jpg', 'say "hi", bear'], ["ü 熊.jpg", "é"]])
    assert found(read(csv)) == {'big, "brown".jpg': 'say "hi", bear', "ü 熊.jpg": "é"}


def test_columns_by_name(tmp_path: Path) -> None:
    csv = table(tmp_path / "x.csv", ["file", "kind", "label"], [["a.jpg", "bear", "no"]])
    assert found(read(csv, path="file", label="kind")) == {"a.jpg": "bear"}


def test_the_parameter_of_a_missing_column_is_named(tmp_path: Path) -> None:
    csv = table(tmp_path / "x.csv", ["photo", "kind"], [["a.jpg", "bear"]])
    with pytest.raises(InputError, match=r"x.csv: there is no column 'path' \(found: 'photo', 'kind'\).*`path_column`"):
        read(csv)
    with pytest.raises(InputError, match=r"there is no column 'label' .*`label_column`"):
        read(csv, path="photo")
    with pytest.raises(InputError, match=r"there is no column 'genus' .*`coarse_column`"):
        read(csv, path="photo", label="kind", coarse="genus")


@pytest.mark.parametrize("name", ["label", "split", "sha256", "note"])
def test_a_column_that_exists_twice(tmp_path: Path, name: str) -> None:
    with pytest.raises(InputError, match=f"the column '{name}' exists twice"):
        read(raw(tmp_path / "x.csv", f"path,label,{name},{name}\na.jpg,x,y,z\n"))


def test_a_header_alone(tmp_path: Path) -> None:
    with pytest.raises(CatalogError, match=r"x.csv: there are no rows with images"):
        read(raw(tmp_path / "x.csv", "path,label\n\n"))


@pytest.mark.parametrize(
    ("rows", "sentence"),
    [
        ("a.jpg,black\nb.jpg,\n", "x.csv, row 3: the label is empty"),
        ("a.jpg,black\nb.jpg\n", "x.csv, row 3: the label is empty"),
        ("\na.jpg,black\nb.jpg,b\x07\n", "x.csv, row 4: the label .* control character"),
        ("a.jpg,black\n./a.jpg,teddy\n", r"row 3: a.jpg is 'teddy' \(train\) here and 'black' \(train\) in row 2"),
    ],
)  # fmt: skip
def test_a_wrong_label_is_reported_with_its_row(tmp_path: Path, rows: str, sentence: str) -> None:
    with pytest.raises(CatalogError, match=sentence):
        read(raw(tmp_path / "x.csv", "path,label\n" + rows))


@pytest.mark.parametrize(
    ("rows", "sentence"),
    [
        ("a.jpg,black\n,teddy\n", "x.csv, row 3: the path is empty"),
        ("a.jpg,black\nb\x00.jpg,b\n", "x.csv, row 3: the path .* control character"),
        ("a.jpg,black,brown\n", "x.csv, row 2: the row has 3 fields, the header has 2"),
    ],
)
def test_a_wrong_path_or_row_is_reported_with_its_row(tmp_path: Path, rows: str, sentence: str) -> None:
    with pytest.raises(InputError, match=sentence):
        read(raw(tmp_path / "x.csv", "path,label\n" + rows))


def test_missing_files_are_counted_and_the_first_are_listed(tmp_path: Path) -> None:
    names = [f"{number}.jpg" for number in range(8)]
    csv = table(tmp_path / "x.csv", ["path", "label"], [[name, "bear"] for name in names])
    for name in names[1:]:
        (tmp_path / name).unlink()
    expected = r"7 of 8 images are not under .* \(row 3: 1.jpg, row 4: 2.jpg, .*row 7: 5.jpg and 2 more\);.*`root`"
    with pytest.raises(CatalogError, match=expected):
        read(csv)
    (tmp_path / "dir.jpg").mkdir()
    for odd in ("dir.jpg", "x" * 300, "0.jpg/under"):
        with pytest.raises(CatalogError, match="1 of 1 images are not under"):
            read(raw(tmp_path / "y.csv", f"path,label\n{odd},bear\n"))


def test_a_root_and_absolute_paths(tmp_path: Path) -> None:
    photos = put(tmp_path / "photos", "a.jpg", "in/b.jpg")
    outside = put(tmp_path / "outside", "c.jpg")
    (tmp_path / "link").symlink_to(photos)
    csv = tmp_path / "tables" / "x.csv"
    csv.parent.mkdir()
    csv.write_text(f"path,label\na.jpg,a\n{tmp_path}/link/in/b.jpg,b\n{outside}/c.jpg,c\n../outside/c.jpg,c\n")
    source = read(csv, root=tmp_path / "link")
    assert found(source) == {"a.jpg": "a", "in/b.jpg": "b", "../outside/c.jpg": "c"}
    assert all((source.root / row.path).is_file() for row in source.rows)
    assert "1 rows repeat an image" in source.remarks[0]


def test_the_split_column(tmp_path: Path) -> None:
    rows = [
        [f"{number}.jpg", "a", split] for number, split in enumerate(["train", "Valid", " val ", "validation", "TEST"])
    ]
    source = read(table(tmp_path / "x.csv", ["path", "label", "split"], rows))
    assert source.has_splits
    assert [row.split for row in source.rows] == ["train", "valid", "valid", "valid", "test"]
    for wrong in ("training", ""):
        csv = table(tmp_path / "x.csv", ["path", "label", "split"], [*rows, ["9.jpg", "a", wrong]])
        with pytest.raises(CatalogError, match=rf"row 7: the split is '{wrong}', not one of train, valid, val, valid"):
            read(csv)


def test_one_image_in_two_splits(tmp_path: Path) -> None:
    csv = table(tmp_path / "x.csv", ["path", "label", "split"], [["1.jpg", "a", "train"], ["1.jpg", "a", "valid"]])
    with pytest.raises(CatalogError, match=r"1.jpg is 'a' \(valid\) here and 'a' \(train\) in row 2"):
        read(csv)


def test_sets_of_labels(tmp_path: Path) -> None:
    csv = table(tmp_path / "x.csv", ["path", "label"], [["1.jpg", " b; a;;b"], ["2.jpg", ""], ["3.jpg", ";"]])
    assert found(read(csv, label_delimiter=";")) == {"1.jpg": "a+b", "2.jpg": "", "3.jpg": ""}
    csv = table(tmp_path / "x.csv", ["path", "label"], [["1.jpg", ""], ["1.jpg", "b a"]])
    with pytest.raises(CatalogError, match=r"is 'a' \+ 'b' \(train\) here and without a label"):
        read(csv, label_delimiter=" ")


def test_written_rows_are_read_back(tmp_path: Path) -> None:
    rows = [
        Row(path='a, "b".jpg', labels=frozenset({"x", "10", "9"}), split="valid", sha256="0" * 64, note="see, é"),
        Row(path="b.jpg", labels=frozenset(), split="train"),
    ]
    put(tmp_path, *(row.path for row in rows))
    write_table(tmp_path / "x.csv", rows, label_delimiter=";")
    assert list(read(tmp_path / "x.csv", label_delimiter=";").rows) == rows
    assert (tmp_path / "x.csv").read_bytes().decode() == (
        'path,label,split,sha256,note\n"a, ""b"".jpg",9;10;x,valid,' + "0" * 64 + ',"see, é"\nb.jpg,,train,,\n'
    )
    assert sorted(path.name for path in tmp_path.iterdir()) == ['a, "b".jpg', "b.jpg", "x.csv"]


def test_notes_become_one_line_and_other_hashes_are_ignored(tmp_path: Path) -> None:
    csv = table(tmp_path / "x.csv", ["path", "label", "note", "sha256"], [["1.jpg", "a", "two\r\nlines\r", "q83v"]])
    (row,) = read(csv).rows
    assert (row.note, row.sha256) == ("two lines", None)
    write_table(tmp_path / "y.csv", [row], label_delimiter=None)
    assert read(tmp_path / "y.csv").rows == (row,)


def test_nothing_is_overwritten(tmp_path: Path) -> None:
    (tmp_path / "x.csv").symlink_to(tmp_path / "nowhere")
    with pytest.raises(FileExistsError, match=r"x.csv exists already"):
        write_table(tmp_path / "x.csv", [], label_delimiter=None)
    assert [path.name for path in tmp_path.iterdir()] == ["x.csv"]


def test_a_failed_write_leaves_no_file(tmp_path: Path) -> None:
    row = Row(path="caf\udce9.jpg", labels=frozenset("a"), split="train")
    with pytest.raises(UnicodeEncodeError):
        write_table(tmp_path / "x.csv", [row], label_delimiter=None)
    assert list(tmp_path.iterdir()) == []
