"""The steps of a fit, for its progress, with how long each takes in forward passes of one image."""

from __future__ import annotations

from collections.abc import Iterator

from trainer.abstention.ood import FEWEST_IMAGES
from trainer.catalog import Catalog
from trainer.data.prepare import learned_count, subset_size
from trainer.model import Backbone
from trainer.progress import Step
from trainer.recipe import SIMILAR, Recipe
from trainer.training.phases import crop_sizes, trains_head

_TRAINING_COST = 3.0  # a backward pass takes as long as two forward passes
_EMBEDDING_COST = 0.5  # by a smaller network than most, of smaller images
_PARITY_COST = 2.0  # torch and onnxruntime
_INT8_FRACTION = 0.5  # of the time of model.onnx
_INT8_COST = 3.0  # model.onnx once, and mostly two settings


def steps_of_fit(recipe: Recipe, backbone: Backbone, catalog: Catalog) -> tuple[Step, ...]:
    """Every step from the decoding to the report."""
    return tuple(_steps(recipe, backbone, catalog))


def _steps(recipe: Recipe, backbone: Backbone, catalog: Catalog) -> Iterator[Step]:
    train, valid = len(catalog.split("train")), len(catalog.split("valid"))
    compare = Step(label="near duplicates", cost=_EMBEDDING_COST * (train + valid))
    measure = Step(label="evaluate", cost=subset_size(train) + valid)
    sweep = [Step(label="learning rate sweep")] if recipe.auto_lr else []
    if recipe.data.group_by == SIMILAR and catalog.drawn is not None:
        yield from (Step(label="read files"), Step(label="decode"), compare)
    yield from (Step(label="read files"), Step(label="decode"), Step(label="decode some again"))
    if recipe.abstention.calibration:
        yield from (Step(label="read files"), Step(label="decode"))
    if backbone.pretrained:
        yield Step(label="features of each image", cost=len(catalog.rows))
    if trains_head(recipe, backbone):
        yield Step(label="features", cost=recipe.head.views * train)
        yield from (*sweep, Step(label="head"), measure)
    stage, side = recipe.finetune, backbone.pixels.size
    if stage.epochs:
        yield from sweep
        for number, size in enumerate(crop_sizes(stage, side), start=1):
            yield Step(label=f"epoch {number}/{stage.epochs}", cost=_TRAINING_COST * train * (size / side) ** 2)
            yield measure
    yield measure
    if valid:
        yield compare
    yield from (Step(label="export", cost=_PARITY_COST * valid), Step(label="evaluate the bundle", cost=valid))
    if valid and recipe.int8 != "off":
        yield Step(label="int8", cost=_INT8_COST * valid)
    if valid >= FEWEST_IMAGES:
        learned = learned_count(train, class_count=len(catalog.classes))
        yield Step(label="decode some again")
        yield Step(label="strange images", cost=learned + valid)
        if recipe.int8 != "off":
            yield Step(label="strange images", cost=_INT8_FRACTION * (learned + valid))
    yield Step(label="report")
