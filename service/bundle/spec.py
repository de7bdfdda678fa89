"""spec.json: what the model answers, and what it wants to see."""

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
    """The contract between a model and whoever runs it.

    task         `classification` (one label, softmax) or `multilabel` (any number of labels, sigmoid)
    classes      labels in the order of the model's output
    pixels       how an image becomes the model's input
    temperature  the logits were divided by it inside the graph
    thresholds   classification: one number, under which the answer is no label (0: never);
                 multilabel: one a class, at and over which a label is given
    limits       what an image may be
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
            raise ValueError("a class stands twice in classes")
        expected = 1 if self.task == "classification" else len(self.classes)
        if len(self.thresholds) != expected:
            raise ValueError(f"{self.task} needs {expected} thresholds, found {len(self.thresholds)}")
        if any(not _is_number(value) or not 0 <= value <= 1 for value in self.thresholds):
            raise ValueError("every threshold must be a number from 0 to 1")
        if not _is_number(self.temperature) or not self.temperature > 0:
            raise ValueError("temperature must be a number over 0")
        for name, value in asdict(self.limits).items():
            if type(value) is not int or value < 1:
                raise ValueError(f"limits.{name} must be an integer of at least 1")

    @property
    def activation(self) -> str:
        """`softmax` or `sigmoid`; it stands inside the graph."""
        return ACTIVATIONS[self.task]

    def to_json(self) -> dict[str, object]:
        """The spec as a JSON object."""
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
        """Read what `to_json` wrote; raises BundleRefused that names what is wrong."""
        try:
            task = value["task"]
            if not isinstance(value["classes"], list):
                raise ValueError("classes is no list")
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
                raise ValueError(f"activation is {value['activation']!r}; {task} has {spec.activation}")
        except KeyError as error:
            raise BundleRefused(f"spec.json has no field {error}") from error
        except (TypeError, ValueError) as error:
            raise BundleRefused(f"spec.json: {error}") from error
        return spec


def _is_number(value: object) -> bool:
    return (isinstance(value, float) and math.isfinite(value)) or type(value) is int
