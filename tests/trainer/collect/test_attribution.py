from __future__ import annotations

import csv
from pathlib import Path

import pytest

from trainer.collect.agent import has_contact, user_agent
from trainer.collect.attribution import NAME, safe_cell, write_attribution
from trainer.collect.journal import Fate
from trainer.collect.photos import Photo
from trainer.collect.wikimedia import plain_text
from trainer.errors import CollectError


@pytest.mark.parametrize(
    ("text", "cell"),
    [
        ("Bear", "Bear"),
        ("=HYPERLINK(1)", "'=HYPERLINK(1)"),
        ("+1", "'+1"),
        ("-1", "'-1"),
        ("@SUM(1)", "'@SUM(1)"),
        (" \t=1", "'=1"),
        ("\r\n=1", "'=1"),
        ("\u200b=1", "'=1"),
        ("\uff1d1", "'\uff1d1"),
        ("two\nlines", "two lines"),
        ("a = b", "a = b"),
        ("", ""),
    ],
)
def test_no_cell_is_run_by_a_spreadsheet(text: str, cell: str) -> None:
    assert safe_cell(text) == cell


def test_only_photos_that_are_there_have_a_row(tmp_path: Path) -> None:
    photos = [
        ("Openverse", Photo(url=f"http://x/{name}", license="CC0", attribution="=x", title="a,\"b'"))
        for name in ("kept", "removed", "failed", "duplicate", "open")
    ]
    fates = {
        "http://x/kept": Fate(url="http://x/kept", status="kept", path="1.jpg"),
        "http://x/removed": Fate(url="http://x/removed", status="kept", path="2.jpg"),
        "http://x/failed": Fate(url="http://x/failed", status="failed"),
        "http://x/duplicate": Fate(url="http://x/duplicate", status="duplicate", path="1.jpg"),
    }
    (tmp_path / "1.jpg").touch()
    assert write_attribution(tmp_path, photos, fates) == 1
    with open(tmp_path / NAME, encoding="utf-8", newline="") as file:
        (row,) = csv.DictReader(file)
    assert (row["path"], row["title"], row["attribution"]) == ("1.jpg", "a,\"b'", "'=x")


@pytest.mark.parametrize(
    ("html", "text"),
    [
        ("plain", "plain"),
        ("<a href='x'>Ann</a>", "Ann"),
        ("A &amp; B", "A & B"),
        ("<p>a</p>\n <p>b", "a b"),
        ("<", "<"),
    ],
)
def test_html_becomes_text(html: str, text: str) -> None:
    assert plain_text(html) == text


@pytest.mark.parametrize("contact", ["me@example.org", "https://example.org/~me?x=1"])
def test_a_contact_is_named(contact: str) -> None:
    assert contact in user_agent(contact)
    assert has_contact(contact)


@pytest.mark.parametrize("contact", ["a\r\nX: y", "é", "a (b)", " a", "x" * 201, "\0"])
def test_a_contact_that_cannot_be_in_a_header(contact: str) -> None:
    with pytest.raises(CollectError, match="`contact` must be a mail address or a page"):
        user_agent(contact)


def test_the_page_of_the_project_is_named_once_it_has_one(monkeypatch: pytest.MonkeyPatch) -> None:
    from email.message import Message

    from trainer.collect import agent

    installed = Message()
    installed["Project-URL"] = "Homepage, https://fieldguide.example"
    monkeypatch.setattr(agent, "metadata", lambda _: installed)
    assert user_agent().endswith("(image downloader; +https://fieldguide.example)")
    assert has_contact("")
