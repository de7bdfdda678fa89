"""What a model must not be used for, and where it fails: for spec.json, the card and `/v1/model`."""

from __future__ import annotations

from collections.abc import Iterator

from trainer.catalog import Catalog
from trainer.recipe import Recipe

_ONLY_ITS_CLASSES = {
    "classification": "It predicts one of its classes for every image, also for an image that shows none of them.",
    "multilabel": "It predicts only its own classes, also for an image that shows something else.",
}
_HARM = (
    "Do not let it decide alone if a wrong prediction can harm a person: medicine, safety, the law, identification of "
    "people."
)
_NOT_TESTED = "It was tested on no images: nobody knows how good it is."
_SAME_COLLECTION = (
    "It was tested on photos of the collection that it was trained on. Photos from one place or one session look "
    "alike, so expect worse predictions on photos from elsewhere."
)


def limits_of_use(catalog: Catalog, recipe: Recipe) -> tuple[str, ...]:
    """Return the texts: those of the recipe, a line each, then what is true of every such model."""
    return tuple(_texts(catalog, recipe))


def _texts(catalog: Catalog, recipe: Recipe) -> Iterator[str]:
    yield from filter(None, map(str.strip, recipe.limits_of_use.splitlines()))
    yield _ONLY_ITS_CLASSES[catalog.task]
    yield _HARM
    if not catalog.split("valid"):
        yield _NOT_TESTED
    elif recipe.data.drawn:
        yield _SAME_COLLECTION
