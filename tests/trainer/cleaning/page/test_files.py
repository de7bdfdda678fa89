"""The files of the page, read as text."""

from __future__ import annotations

import re
from pathlib import Path

from service.ui import shared_files

ROOT = Path(__file__).resolve().parents[4]
PAGE = ROOT / "trainer" / "cleaning" / "page"
FILES = {file.name: file.read_text("utf-8") for file in sorted(PAGE.iterdir())}
SCRIPTS = {name: text for name, text in FILES.items() if name.endswith(".js")}


def test_only_files_of_its_own_are_loaded_and_all_of_them_are_used() -> None:
    asked = set(re.findall(r'(?:href|src)="/assets/([^"]+)"', FILES["index.html"]))
    asked |= {name for text in SCRIPTS.values() for name in re.findall(r'from "\./([^"]+)"', text)}
    assert asked == {*FILES, *shared_files()} - {"index.html"}
    for name, text in FILES.items():
        assert not re.search(r"https?://|\burl\(|@import", text), name


def test_nothing_becomes_html_and_nothing_is_inline() -> None:
    for name, text in SCRIPTS.items():
        assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\b|new Function", text), (
            name
        )
    assert not re.search(r"<style|<script(?![^>]*\bsrc=)|\bstyle=|\bon[a-z]+=|javascript:", FILES["index.html"])


def test_every_element_that_a_script_names_is_there() -> None:
    ids = set(re.findall(r'\bid="([^"]+)"', FILES["index.html"]))
    text = "\n".join(SCRIPTS.values())
    named = set(re.findall(r'\bpage\["([^"]+)"\]', text)) | set(re.findall(r"\bpage\.([a-z]+)\b(?!\()", text))
    assert named <= ids


def test_the_documentation_has_every_key() -> None:
    keys = [
        key for listed in re.findall(r"keys: \[([^\]]+)\]", FILES["commands.js"]) for key in re.findall('"(.)"', listed)
    ]
    documented = (ROOT / "docs" / "cleaning.md").read_text("utf-8")
    assert len(keys) > 10
    assert [key for key in keys if key != " " and f"`{key}`" not in documented] == []
