"""A prediction in words, for people: what the page without JavaScript and notebooks say.

The page with JavaScript says the same: `web/routes/page/wording.js`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from service.bundle import ModelSpec
from service.prediction import Prediction

MAX_NAMED = 6  # labels of a set that are named at once
_LIKELY = 0.5  # a most probable class under this is only perhaps the right one


@dataclass(frozen=True, kw_only=True)
class Wording:
    """A prediction in words.

    Attributes:
        introduction: What stands above the answer; "" if nothing does.
        answer: The labels, or what is said in place of them.
        note: What stands below the answer; "" if nothing does.
        choices: The labels of which one is meant, most probable first; () if the answer says it all.
        is_sure: Whether the answer is a label or several.
    """

    introduction: str
    answer: str
    note: str = ""
    choices: tuple[str, ...] = ()
    is_sure: bool = True


def wording(prediction: Prediction, chosen: ModelSpec, *, readable: Callable[[str], str] = str) -> Wording:
    """Put a prediction into words.

    Args:
        prediction: The prediction.
        chosen: What spec.json says of the model file.
        readable: Makes the name of a class easier to read.
    """
    choices = tuple(map(readable, prediction.label_set or ()))
    choices = choices if len(choices) > 1 else ()
    if not prediction.labels:
        return _no_label(prediction, choices)
    if is_one_of(prediction):
        return Wording(introduction="One of these:", answer=", ".join(choices))
    names = ", ".join(readable(label.label) for label in prediction.labels)
    if not chosen.thresholds and chosen.abstain is None and prediction.best.probability < _LIKELY:
        return Wording(introduction="", answer=f"Not sure; perhaps {names}.", choices=choices, is_sure=False)
    return Wording(introduction="This looks like", answer=names, choices=choices)


def is_one_of(prediction: Prediction) -> bool:
    """Return whether a few labels are shown in place of one: where it is more likely wrong than right."""
    is_doubtful = prediction.best.probability < _LIKELY and not prediction.abstained
    return is_doubtful and 1 < len(prediction.label_set or ()) <= MAX_NAMED


def _no_label(prediction: Prediction, choices: tuple[str, ...]) -> Wording:
    if prediction.abstained == "unknown":
        answer, note, choices = "This does not look like anything that I know.", "The nearest classes:", ()
    elif prediction.abstained == "unsure":
        is_named = 0 < len(choices) <= MAX_NAMED  # then the list needs no words of its own
        answer, note = "I am not sure.", "" if is_named else "The most probable classes:"
    else:
        answer, note = "Nothing recognised", "No class reaches its threshold. The most probable ones are:"
    return Wording(introduction="", answer=answer, note=note, choices=choices, is_sure=False)
