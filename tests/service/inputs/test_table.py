from __future__ import annotations

from pathlib import Path

import pytest

from service.inputs import InputError, Record, is_table, read_records, relative_path

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
    ],
)
def test_dialects(tmp_path: Path, content: str) -> None:
    assert read(raw(tmp_path / "bears.csv", content)) == [
        Record(number=2, cells={"path": "a.jpg", "label": "black"}),
        Record(number=3, cells={"path": "b.jpg", "label": "teddy"}),
    ]


def test_blank_rows_count_and_missing_cells_are_empty(tmp_path: Path) -> None:
    table = raw(tmp_path / "x.csv", 'path,extra,label\na.jpg,"1,\n2", black \n\n,,\nb.jpg\n')
    assert read(table) == [
        Record(number=2, cells={"path": "a.jpg", "extra": "1,\n2", "label": " black "}),
        Record(number=5, cells={"path": "b.jpg", "extra": "", "label": ""}),
    ]


def test_a_header_alone(tmp_path: Path) -> None:
    assert read(raw(tmp_path / "x.csv", "path,label\n\n")) == []


def test_bytes_that_are_not_utf_8_stay_in_their_cell(tmp_path: Path) -> None:
    (record,) = read(raw(tmp_path / "x.csv", "path,label\nb.jpg,café\n".encode("latin-1")))
    assert record.cells["label"] == "caf\udce9"


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
        ("a.jpg,black,brown\n", "x.csv, row 2: the row has 3 fields, the header has 2"),
        ('a.jpg,black\nb.jpg,"b\n', "x.csv, after row 2: this is not CSV"),
        ('a.jpg,black\nb.jpg,"b"c\n', "x.csv, after row 2: this is not CSV"),
        (f"a.jpg,{'b' * 200_000}\n", "x.csv, after row 1: this is not CSV"),
    ],
)
def test_a_broken_row_is_reported_with_its_number(tmp_path: Path, rows: str, sentence: str) -> None:
    with pytest.raises(InputError, match=sentence):
        read(raw(tmp_path / "x.csv", "path,label\n" + rows))


def test_a_table_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"nowhere.csv: the table cannot be read \(No such file"):
        read(tmp_path / "nowhere.csv")


def test_a_table_is_recognised_by_its_suffix(tmp_path: Path) -> None:
    assert is_table(tmp_path / "x.csv")
    assert is_table(tmp_path / "x.TSV")
    assert not is_table(tmp_path / "x.jpg")
    (tmp_path / "folder.csv").mkdir()
    assert not is_table(tmp_path / "folder.csv")


def test_paths_are_relative_to_the_root(tmp_path: Path) -> None:
    root = (tmp_path / "photos").resolve()
    root.mkdir()
    (tmp_path / "link").symlink_to(root)
    for text, path in {
        "in/a.jpg": "in/a.jpg",
        "./x/../a.jpg": "a.jpg",
        "../outside/c.jpg": "../outside/c.jpg",
        f"{root}/in/b.jpg": "in/b.jpg",
        f"{tmp_path}/link/b.jpg": "b.jpg",
        f"{tmp_path}/outside/c.jpg": "../outside/c.jpg",
    }.items():
        assert relative_path(text, root=root, where="x.csv, row 2") == path


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (" ", "^x.csv, row 3: the path is empty"),
        ("b\x00.jpg", "^x.csv, row 3: the path .* control character"),
        ("caf\udce9.jpg", "^x.csv, row 3: the path .* save the table as UTF-8, or rename the image"),
    ],
)
def test_a_cell_without_a_usable_path(tmp_path: Path, text: str, sentence: str) -> None:
    with pytest.raises(InputError, match=sentence) as info:
        relative_path(text, root=tmp_path, where="x.csv, row 3")
    assert str(info.value).isprintable()
