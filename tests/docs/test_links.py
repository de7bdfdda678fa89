"""The documentation says what is so."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path
from types import ModuleType

ROOT = Path(__file__).resolve().parents[1]
DOCS = sorted((ROOT / "docs").glob("*.md"))
# `trainer/run/fit.py` `fit_run`, `other_name`: a file, and names that it defines.
REFERENCE = re.compile(r"`((?:trainer|service|tests|docs)/[\w/.]+\.\w+)`((?:,? `\w+`)*)", re.MULTILINE)
LINK = re.compile(r"\]\((?!https?:)([^)#]+)\)")


def generator() -> ModuleType:
    spec = importlib.util.spec_from_file_location("generate", ROOT / "docs" / "generate.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_reference_is_up_to_date() -> None:
    assert (ROOT / "docs" / "reference.md").read_text(encoding="utf-8") == generator().reference(), "run `make docs`"


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


def test_links_between_pages_lead_somewhere() -> None:
    for page in [*DOCS, ROOT / "README.md"]:
        for target in LINK.findall(page.read_text(encoding="utf-8")):
            assert (page.parent / target).exists(), f"{page.name} links to {target}"
