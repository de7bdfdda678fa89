"""Lists of URLs as people have them, and labels that are folders."""

from __future__ import annotations

from pathlib import Path

import pytest

from trainer.collect.urls import Source, read_list, require_folders, sources_of
from trainer.errors import CollectError

A, B = "http://example.org/a.jpg", "https://example.org/b.jpg?x=1&y=2"


def written(folder: Path, name: str, text: str | bytes) -> Path:
    path = folder / name
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


def pairs(sources: list[Source]) -> list[tuple[str, str]]:
    return [(source.url, source.label) for source in sources]


@pytest.mark.parametrize("name", ["urls.txt", "urls", "urls.lst"])
def test_a_text_has_a_url_in_each_line(name: str, tmp_path: Path) -> None:
    path = written(tmp_path, name, f"\ufeff# bears\r\n\r\n  {A}\r\n{B}\r\n{A}\r\n")
    assert pairs(read_list(path)) == [(A, ""), (B, "")]
    assert pairs(read_list(path, label="bear")) == [(A, "bear"), (B, "bear")]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("list.csv", f"url,label\n{A},grizzly\n{B},black bear\n"),
        ("list.csv", f"Label;URL\ngrizzly;{A}\n\nblack bear;{B}\n"),
        ("list.tsv", f"image_url\tlabel\n{A}\tgrizzly\n{B}\tblack bear\n"),
        ("list.txt", f"url\tlabel\n{A}\tgrizzly\n{B}\tblack bear\n"),
        ("list.jsonl", f'{{"url": "{A}", "label": "grizzly"}}\n{{"url": "{B}", "label": "black bear"}}\n'),
        ("list.csv", f"url,label\n{A},grizzly\n{B},black bear\n".encode("utf-16")),
    ],
)
def test_a_table_has_labels(name: str, text: str | bytes, tmp_path: Path) -> None:
    assert pairs(read_list(written(tmp_path, name, text))) == [(A, "grizzly"), (B, "black bear")]


def test_other_columns(tmp_path: Path) -> None:
    path = written(tmp_path, "list.csv", f"photo,species,label\n{A},Ursus arctos,x\n")
    assert pairs(read_list(path, url_column="photo", label_column="species")) == [(A, "Ursus arctos")]
    without = written(tmp_path, "plain.csv", f"url,size\n{A},3\n")
    assert pairs(read_list(without)) == [(A, "")]
    assert pairs(read_list(without, label="bear")) == [(A, "bear")]


def test_a_url_with_several_labels_keeps_them_in_order() -> None:
    (source,) = sources_of([(A, "b"), (A, "a"), (A, "b")])
    assert source.labels == ("b", "a")


@pytest.mark.parametrize(
    ("text", "options", "message"),
    [
        ("url,label\n", {}, "there is no URL in it"),
        (f"url,label\n{A},\n", {}, "row 2: the label is empty"),
        ("url,label\n,bear\n", {}, "row 2: there is no URL"),
        (f"url,label\n{A},bear\n", {"label": "x"}, "the list has labels"),
        (f"photo,label\n{A},bear\n", {}, "url"),
        (f"url,label\n{A},bear\n", {"label_column": "species"}, "species"),
    ],
)
def test_a_table_that_cannot_be_used(text: str, options: dict[str, str], message: str, tmp_path: Path) -> None:
    with pytest.raises(CollectError, match=message):
        read_list(written(tmp_path, "list.csv", text), **options)


def test_a_list_that_cannot_be_used(tmp_path: Path) -> None:
    with pytest.raises(CollectError, match=r"no\.txt: the list cannot be read \(No such file"):
        read_list(tmp_path / "no.txt")
    with pytest.raises(CollectError, match="there is no URL in it"):
        read_list(written(tmp_path, "empty.txt", "\n# nothing\n"))
    with pytest.raises(CollectError, match="this is a list without columns"):
        read_list(written(tmp_path, "urls.txt", A), label_column="label")


@pytest.mark.parametrize(
    "label",
    [
        *("a/b", "a\\b", "..", ".", "../x", "/etc", "C:\\x", "c:x", ".hidden", "~root", "a\nb", "a\0b", "a\x1b[31mb"),
        *("a<b", 'a"b', "a|b", "a?b", "a*b", "CON", "nul", "com1", "LPT9.txt", "aux.", "end.", " x", "x ", "\udcff"),
        *("b" * 201, "é" * 101, "train", "valid", "val", "Validation", "TEST"),
    ],
)
def test_labels_that_cannot_be_folders(label: str) -> None:
    with pytest.raises(CollectError, match="a label becomes a folder: rename it"):
        require_folders([label])


@pytest.mark.parametrize(
    "label", ["grizzly bear", "熊", "Bär", "a.b", "console", "-x", "1", "b" * 200, "trains", "a'b"]
)
def test_labels_that_can_be_folders(label: str) -> None:
    require_folders([label])


def test_labels_that_are_one_folder_on_some_systems() -> None:
    with pytest.raises(CollectError, match="the labels 'Bear' and 'bear' are one folder on some systems"):
        require_folders(["Bear", "x", "bear"])
