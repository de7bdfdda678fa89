"""Two runs or bundles, compared on the same images, which neither was trained on."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from service.inputs import first_few
from service.predictor import Predictor
from trainer.atomic import atomic_write_bytes
from trainer.diagnosis.near_duplicates import near_duplicate_groups
from trainer.errors import RecipeError, RunError
from trainer.export.metrics import predict_files
from trainer.progress import Progress
from trainer.report.comparison import Answers, ChangedImage, Comparison, Model, Verdict, judge
from trainer.report.comparison_page import render_comparison
from trainer.run.compare_images import (
    ComparedImage,
    CompareOptions,
    Labels,
    Side,
    Sides,
    common_classes,
    read_images,
)
from trainer.run.features import read_features
from trainer.run.folder import require_free
from trainer.wording import counted

_WHITENED = 5_000  # images whose features say what is similar, besides those that are compared

BoolArray = npt.NDArray[np.bool_]
IntArray = npt.NDArray[np.int64]


def compare_models(
    first: Path, second: Path, options: CompareOptions, *, threads: int, progress: Progress
) -> Comparison:
    """Compare two models on images that neither was trained on, through the code that serves them.

    Images are known by the hash of their content. Those whose label only one model knows are left out.

    Args:
        first: A run, or a bundle.
        second: The same.
        options: Which images.
        threads: For decoding and prediction.
        progress: Where a person sees what happens.

    Raises:
        RunError: The models cannot be compared: other tasks, no class in common, no image left; a run is not finished,
            or its images are not there or have changed.
        CatalogError: `data` cannot be read.
        BundleRefused: A bundle is damaged.
    """
    sides = (Side.open(first), Side.open(second))
    classes = common_classes(sides)
    images, remarks = read_images(sides, options, classes=classes, threads=threads, progress=progress)
    both = [_predict(side, images, classes, threads=threads, progress=progress) for side in sides]
    refused = both[0].refused | both[1].refused
    if refused:
        reasons = [f"{images[row].path}: {reason}" for row, reason in sorted(refused.items())]
        remarks.append(f"left out: {counted(len(refused), 'image')} that a service refuses: {first_few(reasons)}")
    rows = [row for row in range(len(images)) if row not in refused]
    if not rows:
        raise RunError(f"no image is left to compare on ({'; '.join(remarks)}); name images that can be decoded")
    units = np.arange(len(images))
    units[rows] = _units([images[row] for row in rows], sides)
    answers = Answers(task=sides[0].task, classes=classes, first=both[0].given, second=both[1].given, units=units)
    verdicts = tuple(_verdicts(images, rows, answers))
    changed = _changed(images, rows, answers, both=(both[0], both[1]))
    return Comparison(
        task=answers.task,
        models=(_model(sides[0], sides[1]), _model(sides[1], sides[0])),
        classes=tuple(classes),
        source=_source(len(rows), sides, options),
        verdicts=verdicts,
        changed=tuple(sorted(changed, key=lambda image: -image.probabilities[1])),
        remarks=(*remarks, *_what_to_know([images[row] for row in rows], sides)),
    )


def require_page(out: Path) -> None:
    """Raise RecipeError if a page cannot have this name, or FileExistsError if there is something there."""
    if out.suffix.lower() != ".html":
        raise RecipeError(f"{out}: a comparison is written as a page; give `out` the suffix .html")
    require_free(out)


def write_comparison(comparison: Comparison, out: Path) -> None:
    """Write the page of a comparison, completely or not at all.

    Raises:
        FileExistsError: There is something at `out`.
    """
    require_free(out)
    out.parent.mkdir(parents=True, exist_ok=True)
    atomic_write_bytes(out, render_comparison(comparison).encode())


@dataclass(frozen=True, kw_only=True, eq=False)
class _Predicted:
    """What one model predicts for N images.

    Attributes:
        given: bool [N, K], which of the classes that both models have.
        names: What it predicts, with classes that only it has.
        probabilities: float32 [N], of the most probable class.
        refused: Position of each image that its service refuses -> why.
    """

    given: BoolArray
    names: list[tuple[str, ...]]
    probabilities: npt.NDArray[np.float32]
    refused: dict[int, str]


def _predict(
    side: Side, images: Sequence[ComparedImage], classes: Sequence[str], *, threads: int, progress: Progress
) -> _Predicted:
    files = [image.file for image in images]
    predictor = Predictor(side.bundle)
    found, refused = predict_files(predictor, files, threads=threads, progress=progress)
    rows = [row for row in range(len(images)) if row not in refused]
    given = np.zeros((len(images), len(side.classes)), dtype=np.bool_)
    if side.task == "multilabel":
        given[rows] = found >= np.asarray(predictor.chosen.thresholds)
    elif rows:
        given[rows, found.argmax(axis=1)] = True
    probabilities = np.zeros(len(images), dtype=np.float32)
    probabilities[rows] = found.max(axis=1, initial=0)
    columns = [side.classes.index(label) for label in classes]
    shown = range(len(side.classes)) if side.task == "classification" else sorted(columns)
    return _Predicted(
        given=given[:, columns],
        names=[tuple(side.classes[index] for index in shown if row[index]) for row in given],
        probabilities=probabilities,
        refused=refused,
    )


def _units(images: Sequence[ComparedImage], sides: Sides) -> IntArray:
    """Which images show nearly the same, by the features of a run that has all of them; else none do."""
    for side in reversed(sides):
        position = {row.sha256: number for number, row in enumerate(side.rows)}
        if side.run is None or not all(image.sha256 in position for image in images):
            continue
        features = read_features(side.run, count=len(side.rows))
        if features is None:
            continue
        own = np.array([position[image.sha256] for image in images])
        others = np.setdiff1d(np.arange(len(features)), own)
        others = np.sort(np.random.default_rng(0).permutation(others)[:_WHITENED])
        shown = np.asarray(features[np.concatenate([own, others])], dtype=np.float32)
        if np.isfinite(shown[: len(own)]).all():
            return near_duplicate_groups(shown[np.isfinite(shown).all(axis=1)])[: len(own)]
    return np.arange(len(images))


def _verdicts(images: Sequence[ComparedImage], rows: Sequence[int], answers: Answers) -> Iterator[Verdict]:
    """One verdict for each place whose labels say something that those before it do not say."""
    known, compared = set(answers.classes), dict[str, dict[int, Labels]]()
    for name in dict.fromkeys(name for row in rows for name in images[row].labels):
        labels = {row: images[row].labels[name] & known for row in rows if name in images[row].labels}
        if answers.task == "classification":
            labels = {row: own for row, own in labels.items() if own}
        if not labels or any(labels.items() <= before.items() for before in compared.values()):
            continue
        chosen = np.array(list(labels))
        targets = np.array([[label in own for label in answers.classes] for own in labels.values()], dtype=np.bool_)
        about = _difference(labels, *next(iter(compared.items()))) if compared else ""
        compared[name] = labels
        yield judge(answers.select(chosen), targets, labels_of=name, about=about)


def _difference(labels: dict[int, Labels], name: str, first: dict[int, Labels]) -> str:
    """What is different about some labels than about those of the first place."""
    others = sum(own != first[row] for row, own in labels.items() if row in first)
    missing = len(labels.keys() - first.keys())
    parts = [f"{counted(others, 'image')} with other labels than in {name}"] if others else []
    parts += [f"{counted(missing, 'image')} that {name} does not have"] if missing else []
    return " and ".join(parts)


def _changed(
    images: Sequence[ComparedImage], rows: Sequence[int], answers: Answers, *, both: tuple[_Predicted, _Predicted]
) -> Iterator[ChangedImage]:
    first, second = both
    for row in rows:
        if first.names[row] == second.names[row]:
            continue
        image = images[row]
        labels = next((own for own in image.labels.values() if own & {*answers.classes}), frozenset[str]())
        target = np.array([label in labels for label in answers.classes])
        was, now = (_right(given[row], target, answers.task) for given in (first.given, second.given))
        yield ChangedImage(
            path=image.path,
            file=image.file,
            labels={name: tuple(sorted(own)) for name, own in image.labels.items()},
            first=first.names[row],
            second=second.names[row],
            probabilities=(float(first.probabilities[row]), float(second.probabilities[row])),
            outcome="fixed" if now > was else "broken" if now < was else "other",
        )


def _right(given: BoolArray, target: BoolArray, task: str) -> int:
    """How much of a prediction is right."""
    return int((given & target).any()) if task == "classification" else int((given == target).sum())


def _model(side: Side, other: Side) -> Model:
    manifest, others = side.bundle.manifest, set(other.classes)
    return Model(
        path=str(side.path),
        name=manifest.name,
        version=manifest.version,
        digest=side.bundle.digest,
        created=manifest.created,
        only=tuple(label for label in side.classes if label not in others),
    )


def _source(count: int, sides: Sides, options: CompareOptions) -> str:
    images = counted(count, "image")
    if options.data is None:
        return f"{images}: the validation images of both that neither was trained on"
    unseen = " that neither was trained on" if all(side.run for side in sides) else ""
    return f"{images} of {options.data}{unseen}"


def _what_to_know(images: Sequence[ComparedImage], sides: Sides) -> Iterator[str]:
    """Sentences about how fair the comparison is."""
    for model in (_model(sides[0], sides[1]), _model(sides[1], sides[0])):
        if model.only:
            names = first_few([repr(label) for label in model.only])
            yield f"only in {model.path}, and not compared: {counted(len(model.only), 'class', 'classes')}: {names}"
    for side in sides:
        if side.run is None:
            yield f"{side.path} is a bundle: whether it was trained on some of these images is not known"
    hashes = {image.sha256 for image in images}
    chosen = [len(hashes & side.hashes("valid")) for side in sides]
    if chosen[0] != chosen[1]:
        first, second = (f"{count:,} in {side.path}" for count, side in zip(chosen, sides, strict=True))
        yield (
            f"validation images: {first}, {second}; a run chose its best epoch with its own, so it looks slightly too "
            "good on them"
        )
