"""The code blocks of a Markdown page."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
# Pages whose blocks must run. Those of docs/reference are made from the code, and have no examples but the help's.
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
# Languages of blocks that nothing runs: output, layouts, data, code of other programs.
SHOWN = ("text", "json", "toml", "javascript", "html", "yaml", "csv")
RUN = ("bash", "python")

_FENCE = re.compile(r"^( *)```(.*)$")
_MARK = re.compile(r"^ *<!-- not run: (.+) -->$")


@dataclass(frozen=True, kw_only=True)
class Block:
    """A fenced block.

    Attributes:
        page: File that it is in.
        line: Number of its first line.
        language: Word after the fence.
        code: What it contains.
        not_run: Why it is not run; empty if it is.
    """

    page: Path
    line: int
    language: str
    code: str
    not_run: str

    def __str__(self) -> str:
        return f"{self.page.relative_to(ROOT)}:{self.line}"

    @property
    def commands(self) -> list[str]:
        """The commands of a shell block, one each: without comments, continued lines joined."""
        lines = self.code.replace("\\\n", " ").splitlines()
        return [line.strip() for line in lines if shlex.split(line, comments=True)]


def blocks_of(page: Path) -> Iterator[Block]:
    """The blocks of a page, in order."""
    lines = page.read_text(encoding="utf-8").splitlines()
    start, language = None, ""
    for number, line in enumerate(lines):
        fence = _FENCE.match(line)
        if fence is None:
            continue
        if start is None:
            start, language = number, fence[2].strip()
            continue
        before = _MARK.match(lines[start - 1]) if start else None
        indent = len(fence[1])
        yield Block(
            page=page,
            line=start + 2,
            language=language,
            code="\n".join(text[indent:] for text in lines[start + 1 : number]),
            not_run=before[1] if before else "",
        )
        start = None
    assert start is None, f"{page}: a block has no end"
