"""The bundle that nobody named."""

from __future__ import annotations

from pathlib import Path

import pytest

from service.bundle import find_bundle, read_bundle
from tests.service.bundle.helpers import refusal, write


@pytest.fixture
def places(tmp_path: Path) -> list[Path]:
    return [tmp_path / "first", tmp_path / "second"]


def test_the_place_itself_may_be_the_bundle(places: list[Path]) -> None:
    write(places[1])
    assert find_bundle(places) == places[1]
    write(places[0])
    assert find_bundle(places) == places[0]


def test_the_place_may_be_a_file(places: list[Path]) -> None:
    write(places[0].with_suffix(".zip")).rename(places[0])
    assert read_bundle(find_bundle(places)).manifest.name == "tiny"


@pytest.mark.parametrize("name", ["bears", "bears.zip"])
def test_the_place_may_hold_one_bundle(places: list[Path], name: str) -> None:
    places[0].mkdir()
    (places[0] / "lost+found").mkdir()
    (places[0] / "notes.txt").write_text("")
    write(places[0] / name)
    assert find_bundle(places) == places[0] / name


def test_several_bundles_are_refused(places: list[Path]) -> None:
    places[0].mkdir()
    for name in ("a", "b.zip"):
        write(places[0] / name)
    assert refusal(lambda: find_bundle(places)) == f"{places[0]} has several bundles (a, b.zip); name one"


def test_without_a_bundle_it_says_where_it_looked(places: list[Path]) -> None:
    places[1].mkdir()
    line = refusal(lambda: find_bundle(places))
    assert line == (f"there is no bundle: name one, set FIELDGUIDE_BUNDLE, or put one at {places[0]}, {places[1]}")
