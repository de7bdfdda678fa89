from __future__ import annotations

import math

import pytest

from trainer.errors import RecipeError
from trainer.recipe import FinetuneRecipe, Freeze, Sizes


def test_sizes_are_read_and_written_as_text() -> None:
    sizes = Sizes.parse("128:2, 224:1")
    assert sizes == Sizes(((128, 2), (224, 1)))
    assert str(sizes) == "128:2,224:1"
    assert sizes.by_epoch() == [128, 128, 224]
    assert sizes.epochs == 3


def test_no_sizes_are_empty() -> None:
    sizes = Sizes.parse("")
    assert not sizes
    assert (sizes.by_epoch(), sizes.epochs, str(sizes)) == ([], 0, "")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("128", "give SIZE:EPOCHS separated by commas"),
        ("128:two", "give SIZE:EPOCHS"),
        ("128:٢", "give SIZE:EPOCHS"),
        ("-32:2", "give SIZE:EPOCHS"),
        ("128:0", "its epochs from 1 to 10000"),
        ("4096:2", "a size must be from 16 to 1024"),
        ("15:2", "a size must be from 16 to 1024"),
    ],
)
def test_the_error_says_what_is_wrong_with_sizes(text: str, message: str) -> None:
    with pytest.raises(RecipeError, match=rf"finetune\.sizes is '.*'; .*{message}"):
        Sizes.parse(text)


def test_a_group_is_frozen_in_its_first_epochs_or_in_all() -> None:
    freeze = Freeze.parse("early:2, late")
    assert freeze == Freeze({"early": 2, "late": math.inf})
    assert str(freeze) == "early:2,late"
    assert [freeze.frozen_in(epoch) for epoch in (0, 1, 2)] == [{"early", "late"}, {"early", "late"}, {"late"}]


def test_without_freezing_every_group_is_trained() -> None:
    freeze = Freeze.parse("")
    assert not freeze
    assert (freeze, str(freeze), freeze.frozen_in(0)) == (Freeze(), "", frozenset())


@pytest.mark.parametrize(
    "text", ["middle", "early:0", "early:-1", "early:x", "early:", "early,early:2", "early:1,late:1,head:1"]
)
def test_the_error_says_what_cannot_be_frozen(text: str) -> None:
    with pytest.raises(RecipeError, match=r"finetune\.freeze is "):
        FinetuneRecipe(freeze=Freeze.parse(text))
