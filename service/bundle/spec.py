"""spec.json: what the model predicts, and what its input is."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal, get_args

from service.bundle.errors import BundleRefused
from service.pixels import Limits, PixelSpec

Task = Literal["classification", "multilabel"]
ACTIVATIONS: Mapping[Task, str] = {"classification": "softmax", "multilabel": "sigmoid"}


@dataclass(frozen=True, kw_only=True)
class Spec:
    """The contract between a model and the program that runs it.

    Attributes:
        task: `classification` (one label, softmax) or `multilabel` (any number of labels, sigmoid).
        classes: Names of the classes, in the order of the model's output.
        pixels: How an image becomes the model's input.
        thresholds: For `classification` one probability: below it, no label is predicted (0: there always is one).
            For `multilabel` one probability per class: a class at or above it is predicted.
        temperature: The graph divides the logits by it.
        limits: Which images are accepted.
    """

    task: Task
    classes: tuple[str, ...]
    pixels: PixelSpec
    thresholds: tuple[float, ...]
    temperature: float = 1.0
    limits: Limits = field(default_factory=Limits)

    def __post_init__(self) -> None:
        if self.task not in get_args(Task):
            raise ValueError(f"task is {self.task!r}, not one of {', '.join(get_args(Task))}")
        least = 2 if self.task == "classification" else 1
        if len(self.classes) < least:
            raise ValueError(f"{self.task} needs at least {least} classes, found {len(self.classes)}")
        if any(not isinstance(name, str) or not name for name in self.classes):
            raise ValueError("every class must be a string that is not empty")
        if len(set(self.classes)) != len(self.classes):
            raise ValueError("a class appears twice in classes")
        expected = 1 if self.task == "classification" else len(self.classes)
        if len(self.thresholds) != expected:
            raise ValueError(f"{self.task} needs {expected} thresholds, found {len(self.thresholds)}")
        if any(not _is_number(value) or not 0 <= value <= 1 for value in self.thresholds):
            raise ValueError("every threshold must be a number from 0 to 1")
        if not _is_number(self.temperature) or not self.temperature > 0:
            raise ValueError("temperature must be a number greater than 0")
        for name, value in asdict(self.limits).items():
            if type(value) is not int or value < 1:
                raise ValueError(f"limits.{name} must be an integer of at least 1")

    @property
    def activation(self) -> str:
        """`softmax` or `sigmoid`, which is part of the graph."""
        return ACTIVATIONS[self.task]

    def to_json(self) -> dict[str, object]:
        """Return the spec as a JSON object."""
        threshold: dict[str, object] = (
            {"threshold": self.thresholds[0]}
            if self.task == "classification"
            else {"thresholds": list(self.thresholds)}
        )
        return {
            "task": self.task,
            "classes": list(self.classes),
            "pixels": self.pixels.to_json(),
            "activation": self.activation,
            "temperature": self.temperature,
            "limits": asdict(self.limits),
            **threshold,
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Spec:
        """Read what `to_json` returned.

        Raises:
            BundleRefused: A field is missing or invalid. The message names it.
        """
        try:
            task = value["task"]
            if not isinstance(value["classes"], list):
                raise ValueError("classes is not a list")
            thresholds = value["thresholds"] if task == "multilabel" else [value["threshold"]]
            spec = cls(
                task=task,
                classes=tuple(value["classes"]),
                pixels=PixelSpec.from_json(value["pixels"]),
                thresholds=tuple(thresholds),
                temperature=value["temperature"],
                limits=Limits(**value["limits"]),
            )
            if value["activation"] != spec.activation:
                raise ValueError(f"activation is {value['activation']!r}; {task} needs {spec.activation}")
        except KeyError as error:
            raise BundleRefused(f"spec.json has no field {error}") from error
        except (TypeError, ValueError) as error:
            raise BundleRefused(f"spec.json: {error}") from error
        return spec


def _is_number(value: object) -> bool:
    return (isinstance(value, float) and math.isfinite(value)) or type(value) is int
