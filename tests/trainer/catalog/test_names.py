from __future__ import annotations

import pytest

from trainer.catalog.names import is_placeholder, says_nothing, split_folders


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["train", "val"], {"train": "train", "val": "valid"}),
        (["a", "VALIDATION"], {"VALIDATION": "valid"}),
        (["a", "dev", "Testing"], {}),
        (["train", "dev", "eval"], {"train": "train", "dev": "valid", "eval": "valid"}),
        (["trn", "evaluation"], {"trn": "train", "evaluation": "valid"}),
        (["train", "val", "evaluation"], {"train": "train", "val": "valid", "evaluation": "test"}),
        (["train", "evaluation_set", "test"], {"train": "train", "evaluation_set": "valid", "test": "test"}),
        (["train", "trains", "contest", "developer", "value"], {"train": "train"}),
        ([], {}),
    ],
)
def test_which_folders_are_splits(names: list[str], expected: dict[str, str]) -> None:
    assert split_folders(names) == expected


@pytest.mark.parametrize(
    "name", ["1", "000123", "1999", "1999.12", "31-12-1999", "12.1999", "shard_1", "VAL", "Splits 2"]
)
def test_names_that_say_nothing(name: str) -> None:
    assert says_nothing(name)


@pytest.mark.parametrize(
    "name", ["1234567", "20211301", "1899-01", "part", "shard_", "1a", "v1", "May 2021", "split-ring"]
)
def test_names_that_say_something(name: str) -> None:
    assert not says_nothing(name)


def test_placeholders_of_unlabelled_images() -> None:
    assert all(map(is_placeholder, ("test", "unknown", "Unlabelled", "unlabeled", "images", "0", "no_class", "all")))
    assert not any(map(is_placeholder, ("wolf", "unknown bird")))
