from __future__ import annotations

import math
import re

import pytest

from trainer.errors import RecipeError
from trainer.recipe import GROUPS, FinetuneRecipe, LRFindRecipe, Recipe, Setting, Sizes, read_recipe, settings_of

SETTINGS = {item.key: item for item in settings_of(Recipe())}
NUMBERS = {key: item for key, item in SETTINGS.items() if type(item.default) in (int, float)}


def below(setting: Setting, bound: float) -> float:
    """The next smaller value of a setting's type."""
    return int(bound) - 1 if type(setting.default) is int else math.nextafter(bound, -math.inf)


def above(setting: Setting, bound: float) -> float:
    """The next larger value of a setting's type."""
    return int(bound) + 1 if type(setting.default) is int else math.nextafter(bound, math.inf)


@pytest.mark.parametrize("key", SETTINGS)
def test_every_setting_has_one_line_of_help_and_a_group(key: str) -> None:
    knob = SETTINGS[key].knob
    assert re.fullmatch(r".+\.", knob.help)
    assert knob.group in GROUPS


def test_no_group_is_empty_and_no_option_sets_two_settings() -> None:
    assert {item.knob.group for item in SETTINGS.values()} == set(GROUPS)
    options = [item.knob.option for item in SETTINGS.values() if item.knob.option]
    assert len(options) == len(set(options))
    assert all(re.fullmatch(r"[a-z][a-z0-9]*(-[a-z]+)*", option) for option in options)


@pytest.mark.parametrize("key", NUMBERS)
def test_every_number_has_bounds_and_only_values_within_them_are_accepted(key: str) -> None:
    setting = NUMBERS[key]
    low, high = setting.knob.low, setting.knob.high
    assert math.isfinite(low)
    assert math.isfinite(high)
    assert low < high
    accepted = (low, high, *([0] if setting.knob.accepts_zero else []))
    for value in {below(setting, low), low - 1, above(setting, high), high + 1} - set(accepted):
        with pytest.raises(RecipeError, match=rf"^{re.escape(key)} is .*; it must be from {re.escape(f'{low:g}')} to "):
            read_recipe(None, {key: value})
    # A batch has at least as many images as parts.
    more = {"finetune.batch_size": 65_536} if key == "finetune.accumulate" else {}
    for value in accepted:
        read_recipe(None, {key: type(setting.default)(value), **more})


@pytest.mark.parametrize("key", [key for key, item in SETTINGS.items() if item.knob.choices])
def test_every_choice_is_accepted_and_nothing_else(key: str) -> None:
    for choice in SETTINGS[key].knob.choices:
        read_recipe(None, {key: choice})
    with pytest.raises(RecipeError, match=f"{key} is 'other'; it must be one of "):
        read_recipe(None, {key: "other"})


def test_sizes_decide_how_many_epochs_there_are() -> None:
    assert FinetuneRecipe(sizes=Sizes.parse("128:2,224:1")).epochs == 3
    assert FinetuneRecipe(sizes=Sizes.parse("128:2,224:1"), epochs=3).epochs == 3
    assert FinetuneRecipe().epochs == FinetuneRecipe(sizes=Sizes.parse("")).epochs


@pytest.mark.parametrize(
    ("sizes", "changes", "message"),
    [
        ("128:2", {"epochs": 5}, r"finetune\.epochs is 5, but finetune\.sizes is '128:2', 2 epochs"),
        ("128:3", {"epochs": 8}, r"finetune\.epochs is 8, but finetune\.sizes is '128:3', 3 epochs"),
        ("128:2", {"crop_scale": 0.5}, r"finetune\.sizes is '128:2' and finetune\.crop_scale 0\.5; leave one out"),
    ],
)
def test_the_error_says_what_does_not_go_with_sizes(sizes: str, changes: dict[str, float], message: str) -> None:
    with pytest.raises(RecipeError, match=message):
        FinetuneRecipe(sizes=Sizes.parse(sizes), **changes)  # type: ignore[arg-type]


def test_a_batch_has_no_more_parts_than_images() -> None:
    assert FinetuneRecipe(batch_size=4, accumulate=4).accumulate == 4
    with pytest.raises(RecipeError, match=r"finetune\.accumulate is 5; it must be from 1 to 4"):
        FinetuneRecipe(batch_size=4, accumulate=5)


def test_earlier_layers_learn_slower_only_if_they_are_pretrained_or_if_it_was_asked() -> None:
    unset, asked = FinetuneRecipe(), FinetuneRecipe(lr_spread=100)
    long = {"steps": 1000, "after_head": True}
    assert [unset.spread(pretrained=pretrained, **long) for pretrained in (True, False)] == [10, 1]
    assert [asked.spread(pretrained=pretrained, **long) for pretrained in (True, False)] == [100, 100]


@pytest.mark.parametrize(
    ("epochs", "steps", "lr"),
    [(1, 1, 4e-3 / 180**2), (3, 3, 1e-5), (3, 15, 2.5e-4), (3, 48, 2.56e-3), (12, 12, 2.56e-3), (6, 15, 1e-3)],
)
def test_the_default_lr_falls_in_a_short_training_after_a_head_stage(epochs: int, steps: int, lr: float) -> None:
    stage = FinetuneRecipe(epochs=epochs)
    assert stage.max_lr(steps=steps, after_head=True) == pytest.approx(lr)
    assert stage.max_lr(steps=steps, after_head=False) == 4e-3  # random weights: there is nothing to lose


def test_the_layers_below_the_head_get_even_less_of_it() -> None:
    stage = FinetuneRecipe(epochs=3)
    assert stage.spread(pretrained=True, steps=15, after_head=True) == pytest.approx(160)
    assert stage.spread(pretrained=True, steps=15, after_head=False) == 10
    assert FinetuneRecipe(epochs=3, lr=1e-3).spread(pretrained=True, steps=15, after_head=True) == 10
    assert FinetuneRecipe(epochs=3, lr_spread=5).spread(pretrained=True, steps=15, after_head=True) == 5


@pytest.mark.parametrize(("epochs", "steps"), [(3, 60), (12, 15), (1, 180), (6, 30), (12, 10**9)])
def test_in_a_training_of_usual_length_the_default_lr_is_the_same_to_the_last_bit(epochs: int, steps: int) -> None:
    stage = FinetuneRecipe(epochs=epochs)
    assert stage.max_lr(steps=steps, after_head=True) == 4e-3
    assert stage.spread(pretrained=True, steps=steps, after_head=True) == 10


@pytest.mark.parametrize(("epochs", "steps"), [(0, 0), (0, 5)])
def test_without_epochs_the_default_lr_is_a_number(epochs: int, steps: int) -> None:
    stage = FinetuneRecipe(epochs=epochs)
    assert stage.max_lr(steps=steps, after_head=True) > 0
    assert stage.spread(pretrained=True, steps=steps, after_head=True) < float("inf")


@pytest.mark.parametrize("lr", [4e-3, 1e-5, 10])
def test_a_lr_that_was_given_is_used_however_few_steps_there_are(lr: float) -> None:
    for after_head in (True, False):
        assert FinetuneRecipe(lr=lr).max_lr(steps=3, after_head=after_head) == lr


@pytest.mark.parametrize(("lr_min", "lr_max"), [(0.1, 0.1), (1, 1e-3)])
def test_a_sweep_that_would_end_at_or_below_its_first_learning_rate_is_refused(lr_min: float, lr_max: float) -> None:
    message = rf"lr_find\.lr_min is {lr_min:g}; it must be less than lr_find\.lr_max, {lr_max:g}"
    with pytest.raises(RecipeError, match=message):
        LRFindRecipe(lr_min=lr_min, lr_max=lr_max)


def test_one_limit_of_a_sweep_is_accepted_without_the_other() -> None:
    assert LRFindRecipe(lr_min=1).lr_max == 0
    assert LRFindRecipe(lr_max=1e-9).lr_min == 0


@pytest.mark.parametrize("name", ["two\nlines", "a\tb", "bell\a"])
def test_a_name_is_printable(name: str) -> None:
    with pytest.raises(RecipeError, match="it must be printable text"):
        Recipe(name=name)
