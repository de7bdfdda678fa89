"""What the documentation names and links to exists."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
NAMED = ("README.md", "CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md", "tests/benchmarks/README.md")
DOCS = sorted((ROOT / "docs").rglob("*.md"))
PAGES = [*(path for name in NAMED if (path := ROOT / name).is_file()), *DOCS]
# `trainer/run/fit.py` `fit_run`, `other_name`: a file, and names that it defines.
REFERENCE = re.compile(r"`((?:trainer|service|tests|docs)/[\w/.]+\.\w+)`((?:,? `\w+`)*)", re.MULTILINE)
LINK = re.compile(r"\]\((?!https?:|mailto:)([^)\s]+)\)")
FENCED = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)
CODE = re.compile(r"`[^`\n]*`")
HEADING = re.compile(r"^#{1,6} +(.+?) *#*$", re.MULTILINE)


def anchors(text: str) -> set[str]:
    """The anchors of a page, as GitHub makes them from its headings."""
    found: dict[str, int] = {}
    result = set()
    for heading in HEADING.findall(FENCED.sub("", text)):
        shown = re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", heading)
        name = re.sub(r"[^\w\- ]", "", shown.lower()).replace(" ", "-")
        count = found[name] = found.get(name, -1) + 1
        result.add(f"{name}-{count}" if count else name)
    return result


def links(page: Path) -> list[str]:
    """The relative links of a page, outside of code."""
    return LINK.findall(CODE.sub("", FENCED.sub("", page.read_text(encoding="utf-8"))))


def broken(page: Path) -> Iterator[str]:
    """The links of a page that lead to no file, or to no heading of it."""
    for link in links(page):
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        if not target.exists() or (anchor and anchor not in anchors(target.read_text(encoding="utf-8"))):
            yield link


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_links_lead_to_a_file_and_to_a_heading(page: Path) -> None:
    assert not list(broken(page))


def test_there_are_links_to_check() -> None:
    found = [link for page in PAGES for link in links(page)]
    assert len(found) > 60
    assert any("#" in link for link in found)


def test_broken_links_are_found(tmp_path: Path) -> None:
    (tmp_path / "other.md").write_text("# Two words\n\n```\n# no heading\n```\n")
    page = tmp_path / "page.md"
    page.write_text(
        "# Here\n[a](#here) [b](#there) [c](other.md) [d](other.md#two-words) [e](other.md#no-heading) [f](none.md)\n"
        "![g](none.png) [`h`](nothing/) [i](https://example.org/none) `[j](code.md)`\n```\n[k](fenced.md)\n```\n"
    )
    assert list(broken(page)) == ["#there", "other.md#no-heading", "none.md", "none.png", "nothing/"]


def test_anchors_are_those_of_github() -> None:
    page = "# GET /v2/models/{name}\n## `fieldguide lr-find`, or: a_b\n## Data\n### Data\n## [Text](link.md#x) here\n"
    assert anchors(page) == {"get-v2modelsname", "fieldguide-lr-find-or-a_b", "data", "data-1", "text-here"}


def test_files_and_names_in_the_documentation_exist() -> None:
    found = 0
    for page in [*DOCS, ROOT / "README.md"]:
        for path, names in REFERENCE.findall(page.read_text(encoding="utf-8").replace("\n   ", " ")):
            assert (ROOT / path).is_file(), f"{page.name}: there is no {path}"
            source = (ROOT / path).read_text(encoding="utf-8")
            for name in re.findall(r"`(\w+)`", names):
                assert re.search(rf"(?:def|class) {name}\b|^{name}\b", source, re.MULTILINE), f"{path} has no {name}"
                found += 1
    assert found > 30
