"""The machinery of settings, on a small recipe of its own."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import pytest

from trainer.errors import RecipeError
from trainer.recipe import Sizes
from trainer.recipe.knobs import Knob, build_section, check_settings, knob, section, settings_of, to_plain


@dataclass(frozen=True, kw_only=True)
class Oven:
    """A section."""

    heat: float = knob(200.0, "Degrees Celsius.", group="Baking", option="heat", low=50, high=250)
    rest: int = knob(0, "Minutes.", group="Baking", low=5, high=60, accepts_zero=True)
    sizes: Sizes = knob(Sizes(), "Of the trays.", group="Baking")

    def __post_init__(self) -> None:
        check_settings(self, "oven.")


@dataclass(frozen=True, kw_only=True)
class Cake:
    """A recipe."""

    name: str = knob("", "What it is called.", group="General")
    flour: str = knob("wheat", "Which flour.", group="General", choices=("wheat", "rye"))
    vegan: bool = knob(False, "Whether it is vegan.", group="General", option="vegan")
    oven: Oven = section(Oven)

    def __post_init__(self) -> None:
        check_settings(self)


def test_settings_are_listed_in_order_with_their_keys_defaults_and_knobs() -> None:
    settings = list(settings_of(Cake(name="tart")))
    assert [(item.key, item.default) for item in settings] == [
        ("name", "tart"),
        ("flour", "wheat"),
        ("vegan", False),
        ("oven.heat", 200.0),
        ("oven.rest", 0),
        ("oven.sizes", Sizes()),
    ]
    assert settings[3].knob == Knob(help="Degrees Celsius.", group="Baking", option="heat", low=50, high=250)


@pytest.mark.parametrize("heat", [50, 50.0, 99.5, 250])
def test_a_number_within_its_bounds_is_accepted(heat: float) -> None:
    assert Oven(heat=heat).heat == heat


@pytest.mark.parametrize("heat", [49.9, 250.1, float("nan"), float("inf"), float("-inf"), 0.0])
def test_a_number_out_of_its_bounds_is_refused(heat: float) -> None:
    with pytest.raises(RecipeError, match=re.escape(f"oven.heat is {heat}; it must be from 50 to 250")):
        Oven(heat=heat)


def test_zero_is_accepted_below_the_bounds_if_it_stands_for_a_default() -> None:
    assert Oven(rest=0).rest == 0
    for rest in (4, -1, 61):
        with pytest.raises(RecipeError, match=rf"oven\.rest is {rest}; it must be from 5 to 60"):
            Oven(rest=rest)


def test_a_text_that_is_no_choice_is_refused() -> None:
    with pytest.raises(RecipeError, match="flour is 'oat'; it must be one of wheat, rye"):
        Cake(flour="oat")


def test_a_recipe_is_built_from_nested_values_and_becomes_plain_values_again() -> None:
    values = {"name": "tart", "oven": {"heat": 180, "sizes": "128:2,224:1"}}
    cake = build_section(Cake, values)
    assert cake == Cake(name="tart", oven=Oven(heat=180.0, sizes=Sizes(((128, 2), (224, 1)))))
    assert type(cake.oven.heat) is float
    assert to_plain(cake) == {
        "name": "tart",
        "flour": "wheat",
        "vegan": False,
        "oven": {"heat": 180.0, "rest": 0, "sizes": "128:2,224:1"},
    }


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"sugar": 1}, "there is no key sugar; the keys are name, flour, vegan, oven"),
        ({"oven": {"cold": 1}}, "there is no key oven.cold; the keys are oven.heat, oven.rest, oven.sizes"),
        ({"oven": 3}, "oven is a table, not 3"),
        ({"name": 3}, "name is 3; it must be text"),
        ({"vegan": 1}, "vegan is 1; it must be true or false"),
        ({"oven": {"rest": 5.5}}, "oven.rest is 5.5; it must be a whole number"),
        ({"oven": {"rest": True}}, "oven.rest is True; it must be a whole number"),
        ({"oven": {"heat": "hot"}}, "oven.heat is 'hot'; it must be a number"),
        ({"oven": {"sizes": 128}}, "oven.sizes is 128; it must be text"),
    ],
)
def test_a_value_of_another_type_and_an_unknown_key_are_refused(values: dict[str, Any], message: str) -> None:
    with pytest.raises(RecipeError, match=re.escape(message)):
        build_section(Cake, values)
