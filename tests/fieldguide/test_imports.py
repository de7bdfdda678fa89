"""The face imports the two programs, and is imported by nobody."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.trainer.test_imports import ROOT, imported_names, sources

# The modules and packages of the face; each may import only those before it.
ORDER = (
    "paths",
    "rows",
    "progress",
    "prediction",
    "environment",
    "inputs",
    "calibrating",
    "checking",
    "cleaning",
    "collecting",
    "comparing",
    "importing",
    "lr_sweeps",
    "photos",
    "run",
    "training",
    "deployment",
    "cli",
    "__main__",
)


@pytest.mark.parametrize("program", ["service", "trainer"])
def test_no_program_imports_the_face(program: str) -> None:
    for path in sources(ROOT / program):
        assert not [name for name in imported_names(path) if f"{name}.".startswith("fieldguide.")], path


def test_its_modules_import_only_those_before_them() -> None:
    folder = ROOT / "fieldguide"
    here = {path: path.relative_to(folder).with_suffix("").parts[0] for path in sources(folder)}
    assert set(here.values()) - {"__init__"} == set(ORDER)
    for path, module in here.items():
        if module == "__init__":
            continue
        for name in imported_names(path):
            there = name.split(".")[1] if name.startswith("fieldguide.") else module
            assert there == module or ORDER.index(there) < ORDER.index(module), f"{path} imports {name}"


def test_what_a_slim_installation_uses_does_not_import_the_trainer() -> None:
    for name in ("__init__", "prediction", "paths"):
        top_level = [
            line
            for line in Path(ROOT, "fieldguide", f"{name}.py").read_text().splitlines()
            if line[:4] in ("from", "impo")
        ]
        assert not [line for line in top_level if "trainer" in line]
