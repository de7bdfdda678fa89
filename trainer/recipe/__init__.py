"""Every setting of a training, once: what a recipe file, the options and the reference table are made from.

knobs        one setting: default, bounds, help, group, option
schedules    values that are more than a number: sizes and freezing by epoch
data_source  the settings of the images
abstention   the settings of answers that are not given
recipe       the settings
reading      recipes from files, and back
options      recipes from the options of `fit` and `lr_find`
"""

from trainer.recipe.abstention import AbstentionRecipe
from trainer.recipe.data_source import ALLOW_BROKEN, SIMILAR, SPLIT_RULES, DataSource
from trainer.recipe.knobs import Knob, Setting, settings_of, to_plain
from trainer.recipe.options import SYNONYMS, apply_options, naming_options, option_keys
from trainer.recipe.reading import read_recipe, recipe_to_toml
from trainer.recipe.recipe import (
    DEFAULT_BACKBONE,
    DEFAULT_LR_TEXT,
    FEED_GROUPS,
    GROUPS,
    PRETRAINED,
    RANDOM_WEIGHTS,
    Augmentation,
    FinetuneRecipe,
    HeadRecipe,
    LRFindRecipe,
    Recipe,
)
from trainer.recipe.schedules import PARAMETER_GROUPS, Freeze, Sizes

__all__ = [
    "ALLOW_BROKEN",
    "DEFAULT_BACKBONE",
    "DEFAULT_LR_TEXT",
    "FEED_GROUPS",
    "GROUPS",
    "PARAMETER_GROUPS",
    "PRETRAINED",
    "RANDOM_WEIGHTS",
    "SIMILAR",
    "SPLIT_RULES",
    "SYNONYMS",
    "AbstentionRecipe",
    "Augmentation",
    "DataSource",
    "FinetuneRecipe",
    "Freeze",
    "HeadRecipe",
    "Knob",
    "LRFindRecipe",
    "Recipe",
    "Setting",
    "Sizes",
    "apply_options",
    "naming_options",
    "option_keys",
    "read_recipe",
    "recipe_to_toml",
    "settings_of",
    "to_plain",
]
