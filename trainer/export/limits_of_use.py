"""What a model must not be used for, and where it fails: for spec.json, the card and `/v1/model`."""

from __future__ import annotations

from collections.abc import Iterator

from service.bundle.spec import Task

_ONLY_ITS_CLASSES = {
    "classification": "It knows no classes but its own, and may predict one of them for an image that shows none.",
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


def limits_of_use(own: str, task: Task, *, tested: bool, same_collection: bool) -> tuple[str, ...]:
    """Return the texts: those of the model's maker, then what is true of every such model.

    Args:
        own: Of the maker, a text a line.
        task: Of the model.
        tested: Whether it was tested on images.
        same_collection: Whether these are of the collection that it was trained on.
    """
    return tuple(_texts(own, task, tested=tested, same_collection=same_collection))


def _texts(own: str, task: Task, *, tested: bool, same_collection: bool) -> Iterator[str]:
    yield from filter(None, map(str.strip, own.splitlines()))
    yield _ONLY_ITS_CLASSES[task]
    yield _HARM
    if not tested:
        yield _NOT_TESTED
    elif same_collection:
        yield _SAME_COLLECTION
