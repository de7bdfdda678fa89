from __future__ import annotations

from pathlib import Path

import pytest

from service.inputs import InputError
from service.inputs.record import Wanted, assumed_columns, column_key

SYNONYMS = {"path": ("image", "file_name"), "label": ("class", "category")}


def choose(*names: str, path: str = "path") -> tuple[dict[str, str], list[str]]:
    table, required = Path("x.csv"), {"path_column": path, "label_column": "label"}
    seen: dict[str, str] = {}
    wanted = Wanted(table=table, required=required, optional=("split",), synonyms=SYNONYMS, on_columns=seen.update)
    chosen = wanted.choose(names)
    assert seen == chosen
    return chosen, list(assumed_columns(table, required, chosen))


@pytest.mark.parametrize("name", ["File Name", "file-name", " FILE_NAME ", "file  name"])
def test_names_that_are_the_same(name: str) -> None:
    assert column_key(name) == "file_name"
    assert choose(name, "label")[0]["path"] == name


def test_the_column_that_is_asked_for_comes_first() -> None:
    assert choose("image", "Path", "path", "class", "label") == ({"path": "path", "label": "label"}, [])
    assert choose("image", "Path", "category", "LABEL", "Split") == (
        {"path": "Path", "label": "LABEL", "split": "Split"},
        [],
    )


def test_a_usual_other_name_is_read_and_reported() -> None:
    chosen, remarks = choose("file_name", "size", "Class")
    assert chosen == {"path": "file_name", "label": "Class"}
    assert remarks == [
        "x.csv: there is no column 'path'; 'file_name' was read in its place (`path_column` names another).",
        "x.csv: there is no column 'label'; 'Class' was read in its place (`label_column` names another).",
    ]


def test_another_name_must_be_unambiguous() -> None:
    with pytest.raises(
        InputError, match=r"no column 'path', and each of 'image', 'file_name' may be meant.*`path_column`"
    ):
        choose("image", "file_name", "label")
    assert choose("image", "file_name", "label", path="image")[0] == {"image": "image", "label": "label"}


def test_a_column_that_was_named_has_no_other_names() -> None:
    with pytest.raises(InputError, match=r"no column 'photo' \(found: 'image', 'label'\)"):
        choose("image", "label", path="photo")


def test_two_columns_that_may_be_meant_are_not_guessed() -> None:
    with pytest.raises(InputError, match=r"no column 'path' \(found: 'Path', 'PATH', 'label'\)"):
        choose("Path", "PATH", "label")
