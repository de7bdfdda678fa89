"""What spec.json says of one model file: when a class is a label, and when the model answers nothing.

The three optional members (`ood`, `abstain`, `set`) are there only if they were fitted when the bundle was made.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any


@dataclass(frozen=True, kw_only=True)
class OodSpec:
    """From where on an image is too strange for the model: its prediction is abstained, "unknown".

    Attributes:
        method: What the graph's output `ood` is, in a word; for people.
        threshold: An image is strange if its `ood` is above it.
        false_alarms: The fraction of images of known classes that were allowed to be above it.
        images: On how many images the threshold was set.
    """

    method: str
    threshold: float
    false_alarms: float
    images: int

    def __post_init__(self) -> None:
        if not isinstance(self.method, str) or not self.method:
            raise ValueError("method must be a string that is not empty")
        if not is_number(self.threshold):
            raise ValueError("threshold must be a number")
        _require_fractions(self, "false_alarms")
        _require_count(self, "images")


@dataclass(frozen=True, kw_only=True)
class AbstainSpec:
    """From where on the model is certain enough: a prediction below it is abstained, "unsure".

    Attributes:
        threshold: The smallest certainty (`certainty` of `service.tasks`) of an answer.
        max_error: With `confidence`, at most this fraction of the answered images is wrong.
        confidence: Of the statement about `max_error`.
        coverage: The fraction of `images` that was answered.
        images: On how many images the threshold was chosen.
        independent: Whether these images chose nothing else. If not, the statement is optimistic.
    """

    threshold: float
    max_error: float
    confidence: float
    coverage: float
    images: int
    independent: bool

    def __post_init__(self) -> None:
        _require_fractions(self, "threshold", "coverage")
        _require_fractions(self, "max_error", "confidence", inside=True)
        _require_count(self, "images")
        if not isinstance(self.independent, bool):
            raise ValueError("independent must be true or false")


@dataclass(frozen=True, kw_only=True)
class SetSpec:
    """Which labels are in the set of a prediction: those with a probability of at least 1 - quantile.

    Attributes:
        level: The fraction of images whose set has the right label (split conformal prediction).
        quantile: That of 1 - the probability of the right label, on `images`.
        images: On how many images the quantile was measured.
    """

    level: float
    quantile: float
    images: int

    def __post_init__(self) -> None:
        _require_fractions(self, "level", inside=True)
        _require_fractions(self, "quantile")
        _require_count(self, "images")


@dataclass(frozen=True, kw_only=True)
class ModelSpec:
    """What is chosen for one model file.

    Attributes:
        thresholds: For `multilabel` one probability per class: a class at or above it is predicted. None for
            `classification`: the best class is predicted.
        temperature: The graph divides the logits by it.
        ood: When an image is too strange; None if this is not known.
        abstain: When a prediction is too uncertain; None if nothing is.
        set: The set of labels; None if there are none.
    """

    thresholds: tuple[float, ...] = ()
    temperature: float = 1.0
    ood: OodSpec | None = None
    abstain: AbstainSpec | None = None
    set: SetSpec | None = None

    def __post_init__(self) -> None:
        if any(not is_number(value) or not 0 <= value <= 1 for value in self.thresholds):
            raise ValueError("every threshold must be a number from 0 to 1")
        if not is_number(self.temperature) or not self.temperature > 0:
            raise ValueError("temperature must be a number greater than 0")

    def to_json(self) -> dict[str, object]:
        """Return the JSON object. Members that the model file does not have are not in it."""
        return {
            "temperature": self.temperature,
            **({"thresholds": list(self.thresholds)} if self.thresholds else {}),
            **{name: asdict(member) for name in _MEMBERS if (member := getattr(self, name)) is not None},
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any], *, has_thresholds: bool) -> ModelSpec:
        """Read what `to_json` returned.

        Args:
            value: The JSON object.
            has_thresholds: Whether each class has a threshold, as the task says.

        Raises:
            KeyError: A field is missing.
            ValueError: A field is invalid.
        """
        if has_thresholds and not isinstance(value["thresholds"], list):
            raise ValueError("thresholds is not an array")
        return cls(
            thresholds=tuple(value["thresholds"]) if has_thresholds else (),
            temperature=value["temperature"],
            **{name: _read_member(kind, value, name) for name, kind in _MEMBERS.items() if name in value},
        )


def is_number(value: object) -> bool:
    """Return whether this is a finite number, and no truth value."""
    if isinstance(value, float):
        return math.isfinite(value)
    return type(value) is int and abs(value) <= sys.float_info.max


_MEMBERS: Mapping[str, type[OodSpec | AbstainSpec | SetSpec]] = {"ood": OodSpec, "abstain": AbstainSpec, "set": SetSpec}


def _read_member(kind: type[OodSpec | AbstainSpec | SetSpec], value: Mapping[str, Any], name: str) -> Any:
    """Read a member of the JSON object; fields of it that a later version has are passed over."""
    found = value[name]
    if not isinstance(found, dict):
        raise ValueError(f"{name} is not an object")
    try:
        return kind(**{field.name: found[field.name] for field in fields(kind)})
    except KeyError as error:
        raise ValueError(f"{name} has no field {error}") from error
    except ValueError as error:
        raise ValueError(f"{name}: {error}") from error


def _require_fractions(member: object, *names: str, inside: bool = False) -> None:
    for name in names:
        value = getattr(member, name)
        if not is_number(value) or not (0 < value < 1 if inside else 0 <= value <= 1):
            raise ValueError(f"{name} must be a number {'between 0 and 1' if inside else 'from 0 to 1'}")


def _require_count(member: object, name: str) -> None:
    value = getattr(member, name)
    if type(value) is not int or value < 1:
        raise ValueError(f"{name} must be an integer of at least 1")
