from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from trainer.catalog import Columns, ReadOptions
from trainer.catalog.options import compile_pattern, first_group
from trainer.errors import CatalogError


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"columns": Columns(label_delimiter="")}, "`label_delimiter` is empty"),
        ({"columns": Columns(label_delimiter=";", coarse="kind")}, "leave out `coarse_column` or `label_delimiter`"),
        ({"class_level": -1}, "`class_level` is -1"),
        ({"class_level": 1, "pattern": "(a)"}, "`class_level` and `pattern` both say what the label of an image is"),
        ({"class_level": 1, "label": str}, "`class_level` and `label` both say"),
        ({"split": "nothing"}, "`split` is 'nothing'; it must be one of auto, random, folder, list, none"),
        ({"split": "list"}, "`split='list'` and `valid_list` belong together"),
        ({"split": "random", "valid_list": Path("x")}, "`split='list'` and `valid_list` belong together"),
        ({"pattern": "("}, r"`pattern` '\(' is not a regular expression"),
        ({"pattern": "abc"}, "`pattern` 'abc' has no group; put parentheses around the part that counts"),
    ],
)
def test_options_that_contradict_each_other(options: dict[str, Any], message: str) -> None:
    with pytest.raises(CatalogError, match=message):
        ReadOptions(**options)


def test_the_first_group_is_searched_for_in_a_slash_and_the_path() -> None:
    pattern = compile_pattern("/([^/]+)_[0-9]+[.]jpg$", "pattern")
    assert first_group(pattern, "pug_1.jpg") == first_group(pattern, "in/pug_1.jpg") == "pug"
    assert first_group(pattern, "pug.jpg") is None
    assert first_group(compile_pattern("x|(y)", "pattern"), "x") is None
