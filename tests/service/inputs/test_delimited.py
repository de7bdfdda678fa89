from __future__ import annotations

import codecs
from pathlib import Path

import pytest

from service.inputs import InputError, Record, read_records

REQUIRED = {"path_column": "path", "label_column": "label"}


def raw(path: Path, content: str | bytes) -> Path:
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def read(table: Path) -> list[Record]:
    return list(read_records(table, required=REQUIRED, optional=("split",)))


@pytest.mark.parametrize(
    "content",
    [
        "path,label\na.jpg,black\nb.jpg,teddy\n",
        "\ufeffpath,label\na.jpg,black\nb.jpg,teddy",
        '\ufeff"path","label"\r\n"a.jpg","black"\r\n"b.jpg","teddy"\r\n',
        "label ; path\nblack;a.jpg\nteddy;b.jpg\n",
        "path\tlabel\na.jpg\tblack\nb.jpg\tteddy\n",
        "path|label\na.jpg|black\nb.jpg|teddy\n",
        "path,label\ra.jpg,black\rb.jpg,teddy\r",
        "sep=;\r\npath;label\r\na.jpg;black\r\nb.jpg;teddy\r\n",
        '"sep=|"\nlabel|path\nblack|a.jpg\nteddy|b.jpg\n',
        "SEP=\t\npath\tlabel\na.jpg\tblack\nb.jpg\tteddy\n",
        "path,label,,\na.jpg,black,,\nb.jpg,teddy,,\n",
        "path,label\na.jpg,black,, \nb.jpg,teddy,\n",
        "Path, LABEL \na.jpg,black\nb.jpg,teddy\n",
    ],
)
def test_dialects(tmp_path: Path, content: str) -> None:
    assert read(raw(tmp_path / "bears.csv", content)) == [
        Record(number=2, cells={"path": "a.jpg", "label": "black"}),
        Record(number=3, cells={"path": "b.jpg", "label": "teddy"}),
    ]


@pytest.mark.parametrize(
    ("mark", "encoding"),
    [
        (codecs.BOM_UTF8, "utf-8"),
        (codecs.BOM_UTF16_LE, "utf-16-le"),
        (codecs.BOM_UTF16_BE, "utf-16-be"),
        (codecs.BOM_UTF32_LE, "utf-32-le"),
        (codecs.BOM_UTF32_BE, "utf-32-be"),
        (b"", "utf-16-le"),
        (b"", "utf-16-be"),
    ],
)
@pytest.mark.parametrize("start", ["", "sep=;\r\n"])
def test_encodings(tmp_path: Path, mark: bytes, encoding: str, start: str) -> None:
    table = raw(tmp_path / "x.txt", mark + f"{start}path;label\r\nbär.jpg;熊\r\n".encode(encoding))
    assert read(table) == [Record(number=2, cells={"path": "bär.jpg", "label": "熊"})]


def test_a_table_in_utf_16_that_is_cut_off(tmp_path: Path) -> None:
    table = raw(tmp_path / "x.csv", "path,label\na.jpg,b\n".encode("utf-16")[:-1])
    with pytest.raises(InputError, match=r"x.csv, after line 1: this is not UTF-16.*save the table as UTF-8"):
        read(table)


def test_blank_rows_before_the_header_count(tmp_path: Path) -> None:
    table = raw(tmp_path / "x.csv", "\n,,\npath,label\na.jpg,black\n")
    assert read(table) == [Record(number=4, cells={"path": "a.jpg", "label": "black"})]


def test_blank_rows_count_and_missing_cells_are_empty(tmp_path: Path) -> None:
    table = raw(tmp_path / "x.csv", 'path,extra,label\na.jpg,"1,\n2", black \n\n,,\nb.jpg\n')
    assert read(table) == [
        Record(number=2, cells={"path": "a.jpg", "label": " black "}),
        Record(number=5, cells={"path": "b.jpg", "label": ""}),
    ]


def test_a_header_alone(tmp_path: Path) -> None:
    assert read(raw(tmp_path / "x.csv", "path,label\n\n")) == []


@pytest.mark.parametrize("encoding", ["cp1252", "latin-1", "cp850"])
def test_bytes_that_are_not_utf_8_are_reported_with_their_row(tmp_path: Path, encoding: str) -> None:
    table = raw(tmp_path / "x.csv", "path,label\na.jpg,tea\nb.jpg,café\n".encode(encoding))
    with pytest.raises(
        InputError, match=r"x.csv, row 3: 'caf.' has bytes that are not UTF-8, .*save the table as UTF-8"
    ):
        read(table)
    table = raw(tmp_path / "y.csv", "päth,label\na.jpg,tea\n".encode(encoding))
    with pytest.raises(InputError, match=r"y.csv, header: 'p.th' has bytes that are not UTF-8"):
        read(table)


def test_columns_that_are_not_read_may_have_other_bytes(tmp_path: Path) -> None:
    table = raw(tmp_path / "x.csv", "path,label,prénom\na.jpg,tea,René\n".encode("cp1252"))
    assert read(table) == [Record(number=2, cells={"path": "a.jpg", "label": "tea"})]


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_a_missing_column_lists_those_that_exist(tmp_path: Path, delimiter: str) -> None:
    table = raw(tmp_path / "x.csv", delimiter.join(["path", "kind"]) + "\n")
    with pytest.raises(
        InputError, match=r"x.csv: there is no column 'label' \(found: 'path', 'kind'\); name it with `label_column`"
    ):
        read(table)


@pytest.mark.parametrize("name", ["label", "split"])
def test_a_column_that_exists_twice(tmp_path: Path, name: str) -> None:
    with pytest.raises(InputError, match=f"the column '{name}' exists twice in the header"):
        read(raw(tmp_path / "x.csv", f"path,label,{name},{name}\na.jpg,x,y,z\n"))


def test_a_column_that_is_not_read_may_exist_twice(tmp_path: Path) -> None:
    assert len(read(raw(tmp_path / "x.csv", "path,label,size,size\na.jpg,x,1,2\n"))) == 1


@pytest.mark.parametrize("content", ["", "\n", "\ufeff"])
def test_an_empty_table(tmp_path: Path, content: str) -> None:
    with pytest.raises(InputError, match=r"there is no column 'path' \(found: none\)"):
        read(raw(tmp_path / "x.csv", content))


@pytest.mark.parametrize(
    ("rows", "sentence"),
    [
        ("a.jpg,black,,brown\n", "x.csv, row 2: the row has 4 fields, the header has 2"),
        ("a.jpg,black,brown\n", "x.csv, row 2: the row has 3 fields, the header has 2"),
        ('a.jpg,black\nb.jpg,"b\n', "x.csv, after row 2: this is not CSV"),
        ('a.jpg,black\nb.jpg,"b"c\n', "x.csv, after row 2: this is not CSV"),
        (f"a.jpg,{'b' * 200_000}\n", "x.csv, after row 1: this is not CSV"),
    ],
)
def test_a_broken_row_is_reported_with_its_number(tmp_path: Path, rows: str, sentence: str) -> None:
    with pytest.raises(InputError, match=sentence):
        read(raw(tmp_path / "x.csv", "path,label\n" + rows))


def test_a_line_without_end_is_refused_before_it_is_read(tmp_path: Path) -> None:
    path = raw(tmp_path / "x.csv", b"path,label\n")
    with path.open("r+b") as file:
        file.truncate(1 << 33)  # a sparse file of zero bytes
    with pytest.raises(InputError, match=r"x.csv, line 2: the line is longer than 1,048,576 characters"):
        read(path)
