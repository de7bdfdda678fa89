"""spec.json: what the models predict, and what their input is."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal, get_args

from service.bundle import canonical_json
from service.bundle.errors import BundleRefused
from service.bundle.model_spec import ModelSpec
from service.pixels import Limits, PixelSpec

FP32 = "model.onnx"  # every bundle has it
INT8 = "model.int8.onnx"
MODEL_FILES = (FP32, INT8)

Task = Literal["classification", "multilabel"]
GoldenKind = Literal["synthetic", "validation"]


@dataclass(frozen=True, kw_only=True)
class TaskFormat:
    """What the bundles of a task have in common.

    Attributes:
        activation: What the graph makes probabilities with.
        min_classes: How many classes there must be.
        has_thresholds: Whether each class has a threshold.
        has_sets: Whether a prediction can have a set of labels.
    """

    activation: str
    min_classes: int
    has_thresholds: bool
    has_sets: bool


TASK_FORMATS: Mapping[Task, TaskFormat] = {
    "classification": TaskFormat(activation="softmax", min_classes=2, has_thresholds=False, has_sets=True),
    "multilabel": TaskFormat(activation="sigmoid", min_classes=1, has_thresholds=True, has_sets=False),
}


@dataclass(frozen=True, kw_only=True)
class Spec:
    """The contract between the models of a bundle and the program that runs them.

    Attributes:
        task: `classification` (one label, softmax) or `multilabel` (any number of labels, sigmoid).
        classes: Names of the classes, in the order of the models' output.
        pixels: How an image becomes the models' input.
        models: Model file -> what was chosen for it.
        golden: What the golden images are: `synthetic` (drawn), or `validation` (photos of the bundle's maker).
        groups: The coarse label of each class, in the order of `classes`; empty if there are none.
        limits_of_use: What the model must not be used for, and where it fails: one text each.
        limits: Which images are accepted.
    """

    task: Task
    classes: tuple[str, ...]
    pixels: PixelSpec
    models: Mapping[str, ModelSpec]
    golden: GoldenKind = "synthetic"
    groups: tuple[str, ...] = ()
    limits_of_use: tuple[str, ...] = ()
    limits: Limits = field(default_factory=Limits)

    def __post_init__(self) -> None:
        _require_choice("task", self.task, get_args(Task))
        _require_choice("golden", self.golden, get_args(GoldenKind))
        least = self.format.min_classes
        if len(self.classes) < least:
            raise ValueError(f"{self.task} needs at least {least} classes, found {len(self.classes)}")
        for name in ("classes", "groups", "limits_of_use"):
            if any(not isinstance(text, str) or not text for text in getattr(self, name)):
                raise ValueError(f"every item of {name} must be a string that is not empty")
        if len(set(self.classes)) != len(self.classes):
            raise ValueError("a class appears twice in classes")
        if self.groups and len(self.groups) != len(self.classes):
            raise ValueError(f"groups has {len(self.groups)} items, not one for each of {len(self.classes)} classes")
        expected = len(self.classes) if self.format.has_thresholds else 0
        for name, model in self.models.items():
            if len(model.thresholds) != expected:
                raise ValueError(f"{name}: {self.task} needs {expected} thresholds, found {len(model.thresholds)}")
            if model.set is not None and not self.format.has_sets:
                raise ValueError(f"{name}: {self.task} has no set")
        for name, value in asdict(self.limits).items():
            if type(value) is not int or value < 1:
                raise ValueError(f"limits.{name} must be an integer of at least 1")

    @property
    def activation(self) -> str:
        """`softmax` or `sigmoid`, which is part of the graph."""
        return self.format.activation

    @property
    def format(self) -> TaskFormat:
        """What the bundles of this task have in common."""
        return TASK_FORMATS[self.task]

    def to_json(self) -> dict[str, object]:
        """Return the spec as a JSON object."""
        return {
            "task": self.task,
            "classes": list(self.classes),
            "pixels": self.pixels.to_json(),
            "activation": self.activation,
            "models": {name: model.to_json() for name, model in self.models.items()},
            "golden": self.golden,
            "limits_of_use": list(self.limits_of_use),
            "limits": asdict(self.limits),
            **({"groups": list(self.groups)} if self.groups else {}),
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any], *, models: Collection[str]) -> Spec:
        """Read what `to_json` returned.

        Args:
            value: The JSON object.
            models: The model files that are wanted; others are passed over.

        Raises:
            BundleRefused: A field is missing or invalid. The message names it.
        """
        try:
            _require_choice("task", value["task"], get_args(Task))
            task = TASK_FORMATS[value["task"]]
            if value["activation"] != task.activation:
                raise ValueError(f"activation is {value['activation']!r}; {value['task']} needs {task.activation}")
            return cls(
                task=value["task"],
                classes=_texts(value, "classes"),
                pixels=PixelSpec.from_json(canonical_json.member(value, "pixels", dict, "spec.json")),
                models=_models_from_json(canonical_json.member(value, "models", dict, "spec.json"), models, task),
                golden=value["golden"],
                groups=_texts(value, "groups") if "groups" in value else (),
                limits_of_use=_texts(value, "limits_of_use"),
                limits=_limits_from_json(canonical_json.member(value, "limits", dict, "spec.json")),
            )
        except KeyError as error:
            raise BundleRefused(f"spec.json has no field {error}") from error
        except ValueError as error:
            raise BundleRefused(f"spec.json: {error}") from error


def _models_from_json(value: Mapping[str, Any], models: Collection[str], task: TaskFormat) -> dict[str, ModelSpec]:
    return {
        name: _model_from_json(name, canonical_json.member(value, name, dict, "spec.json: models"), task)
        for name in models
    }


def _model_from_json(name: str, value: Mapping[str, Any], task: TaskFormat) -> ModelSpec:
    try:
        return ModelSpec.from_json(value, has_thresholds=task.has_thresholds)
    except KeyError as error:
        raise ValueError(f"{name} has no field {error}") from error
    except ValueError as error:
        raise ValueError(f"{name}: {error}") from error


def _limits_from_json(value: Mapping[str, Any]) -> Limits:
    unknown = value.keys() - asdict(Limits()).keys()
    if unknown:
        raise ValueError(f"limits has an unknown field {min(unknown)!r}")
    return Limits(**value)


def _texts(value: Mapping[str, Any], name: str) -> tuple[str, ...]:
    if not isinstance(value[name], list):
        raise ValueError(f"{name} is not an array")
    return tuple(value[name])


def _require_choice(name: str, value: object, choices: tuple[str, ...]) -> None:
    if not isinstance(value, str) or value not in choices:
        raise ValueError(f"{name} is {value!r:.40}, not one of {', '.join(choices)}")
