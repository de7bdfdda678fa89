"""What two models can be compared on: images that neither was trained on, with the labels that several places give."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from service.bundle import Bundle, read_bundle
from service.bundle.spec import Task
from service.inputs import first_few, is_file
from trainer.catalog import Catalog, Row, hash_files, read_source
from trainer.errors import RunError
from trainer.progress import Progress
from trainer.recipe import Recipe
from trainer.run.folder import RunFolder
from trainer.run.inputs import read_options
from trainer.wording import counted

_DEFAULT_DELIMITER = ";"
_TASK_WORDS = {"classification": "one label", "multilabel": "any number of labels"}

Labels = frozenset[str]


@dataclass(frozen=True, kw_only=True)
class CompareOptions:
    """Which images two models are compared on.

    Attributes:
        data: Folder, table or archive; None: the validation images of both runs.
        root: Folder that the paths of a table are relative to; without `data`, where the images of the runs are now.
        reading: How `data` is read, by the names of the settings: `label_column`, `class_level` ... What is not given
            is as in the second run's own data, else as in the first one's.
    """

    data: Path | None = None
    root: Path | None = None
    reading: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Side:
    """One of two models: a run with its bundle, or a bundle alone.

    Attributes:
        path: As it was typed.
        bundle: What is compared.
        run: None for a bundle alone.
        recipe: The run's.
        catalog: The run's.
    """

    path: Path
    bundle: Bundle
    run: RunFolder | None = None
    recipe: Recipe | None = None
    catalog: Catalog | None = None

    @classmethod
    def open(cls, path: Path) -> Side:
        """Open a run, or a bundle.

        Raises:
            RunError: The run is not finished.
            BundleRefused: The bundle is damaged, or there is none.
        """
        run = RunFolder(path)
        if not run.recipe.is_file():
            return cls(path=path, bundle=read_bundle(path))
        recipe = run.read_recipe()
        run.require(run.catalog, run.bundle)
        catalog = run.read_catalog(recipe, None, must_exist=False)
        return cls(path=path, bundle=read_bundle(run.bundle), run=run, recipe=recipe, catalog=catalog)

    @property
    def task(self) -> Task:
        """Task of the bundle."""
        return self.bundle.spec.task

    @property
    def classes(self) -> Sequence[str]:
        """Classes of the bundle."""
        return self.bundle.spec.classes

    @property
    def rows(self) -> tuple[Row, ...]:
        """The images of the run; none for a bundle alone."""
        return self.catalog.rows if self.catalog else ()

    @cached_property
    def labels(self) -> dict[str, Labels]:
        """Hash of each image of the run -> its labels."""
        return {row.sha256: row.labels for row in self.rows if row.sha256}

    def hashes(self, split: str) -> frozenset[str]:
        """Hashes of the images of one split."""
        return frozenset(row.sha256 for row in self.rows if row.split == split and row.sha256)


Sides = tuple[Side, Side]


@dataclass(frozen=True, kw_only=True)
class ComparedImage:
    """One image.

    Attributes:
        path: As its table or folder has it.
        file: Its file.
        sha256: Of its content.
        labels: Whose labels -> its labels there.
        split: In the data that it was read from; empty if that has no splits.
    """

    path: str
    file: Path
    sha256: str
    labels: dict[str, Labels]
    split: str


def common_classes(sides: Sides) -> list[str]:
    """The classes that both models have, in the order of the second one.

    Raises:
        RunError: They have none, or do different tasks.
    """
    first, second = sides
    if first.task != second.task:
        raise RunError(
            f"{first.path} gives each image {_TASK_WORDS[first.task]}, and {second.path} {_TASK_WORDS[second.task]}; "
            "only models of one task can be compared"
        )
    known = set(first.classes)
    common = [label for label in second.classes if label in known]
    if not common:
        names = [first_few([repr(label) for label in side.classes]) for side in sides]
        raise RunError(
            f"{first.path} and {second.path} have no class in common ({names[0]}; {names[1]}); compare models of the "
            "same classes"
        )
    return common


def read_images(
    sides: Sides, options: CompareOptions, *, classes: Sequence[str], threads: int, progress: Progress
) -> tuple[list[ComparedImage], list[str]]:
    """Read the images that neither model was trained on, each content once.

    Args:
        sides: Both models.
        options: Which images.
        classes: Those that both models have.
        threads: Number of files that are read at the same time.
        progress: Is advanced by every file.

    Returns:
        The images, and sentences about what was left out.

    Raises:
        RunError: None is left; or validation images are not there, or have changed.
        CatalogError: `data` cannot be read.
    """
    if options.data is None and options.reading:
        raise RunError(f"`{next(iter(options.reading))}` is about the reading of other images; name these, too")
    asked = list(_validation_images(sides, options.root) if options.data is None else _given_images(sides, options))
    progress.start("read files", len(asked), "files")
    found = hash_files([image.file for image in asked], threads=threads, on_progress=progress.advance)
    pairs = list(zip(asked, found.digests, strict=True))
    changed = [image.path for image, digest in pairs if digest and image.sha256 not in ("", digest)]
    if changed:
        raise RunError(
            f"{counted(len(changed), 'validation image')} changed since the training ({first_few(changed)}); restore "
            "the original files, or name other images"
        )
    unique: dict[str, ComparedImage] = {}
    for image, digest in pairs:
        if digest:
            unique.setdefault(digest, image)
    images = [
        replace(image, sha256=digest, labels=image.labels | _labels_in_runs(digest, sides))
        for digest, image in unique.items()
    ]
    remarks = []
    if found.errors:
        reasons = [f"{asked[position].path}: {reason}" for position, reason in found.errors.items()]
        remarks.append(f"left out: {counted(len(found.errors), 'image')} that cannot be read: {first_few(reasons)}")
    return _unseen(images, sides, remarks, classes=classes), remarks


def _given_images(sides: Sides, options: CompareOptions) -> Iterator[ComparedImage]:
    """The images of `data`."""
    assert options.data is not None
    recipe = next((side.recipe for side in reversed(sides) if side.recipe), Recipe())
    given = dict(options.reading)
    if sides[0].task == "multilabel":
        given.setdefault("label_delimiter", recipe.data.label_delimiter or _DEFAULT_DELIMITER)
    if given.get("pattern") or given.get("class_level"):  # one of them takes the place of the other
        given = {"pattern": "", "class_level": 0, **given}
    asked = replace(recipe.data, root=str(options.root or ""), coarse_column="", split="auto", valid_list="", **given)
    source = read_source(options.data, read_options(replace(recipe, data=asked)), known=sides[1].classes)
    for row in source.rows:
        yield ComparedImage(
            path=row.path,
            file=source.root / row.path,
            sha256="",
            labels={str(options.data): row.labels},
            split=row.split if source.has_splits else "",
        )


def _validation_images(sides: Sides, root: Path | None) -> Iterator[ComparedImage]:
    """The validation images of both runs, those of the second one first."""
    for side in sides:
        if side.run is None:
            raise RunError(
                f"{side.path} is a bundle, which does not say which images it was trained on; name images that it has "
                "not seen: a folder or a CSV after the two models"
            )
    seen: set[str | None] = {None}
    for side in reversed(sides):
        assert side.recipe is not None
        base = root or Path(side.recipe.data.base)
        own = [row for row in side.rows if row.split == "valid" and row.sha256 not in seen]
        seen |= side.hashes("valid")
        missing = [row.path for row in own if not is_file(base / row.path)]
        if missing:
            raise RunError(
                f"{counted(len(missing), 'validation image')} of {side.path} cannot be found in {base} "
                f"({first_few(missing)}); if they were moved, name their folder with `root`"
            )
        for row in own:
            yield ComparedImage(
                path=row.path, file=base / row.path, sha256=row.sha256 or "", labels={}, split=row.split
            )


def _labels_in_runs(digest: str, sides: Sides) -> dict[str, Labels]:
    """Whose labels -> the labels of an image. Two runs that have no image in common have one set of labels."""
    first, second = sides
    if first.labels and second.labels and not first.labels.keys() & second.labels.keys():
        own = second.labels.get(digest, first.labels.get(digest))
        return {} if own is None else {"both": own}
    return {str(side.path): side.labels[digest] for side in reversed(sides) if digest in side.labels}


def _unseen(
    images: list[ComparedImage], sides: Sides, remarks: list[str], *, classes: Sequence[str]
) -> list[ComparedImage]:
    """The images that neither was trained on, with a label that both know. Adds to the remarks what is left out."""
    for side in sides:
        if side.run is not None:
            learned, why = side.hashes("train"), f"{side.path} was trained on them"
        else:
            learned = frozenset(image.sha256 for image in images if image.split == "train")
            why = f"they are marked as train, and {side.path} does not say what it was trained on"
        images = _without(images, learned, remarks, why=why)
    if sides[0].task == "classification":
        known = set(classes)
        foreign = [image for image in images if not any(labels & known for labels in image.labels.values())]
        names = sorted({repr(label) for image in foreign for labels in image.labels.values() for label in labels})
        why = f"the models do not share their classes: {first_few(names)}"
        images = _without(images, frozenset(image.sha256 for image in foreign), remarks, why=why)
    if not images:
        reasons = "; ".join(remarks) or "there are no validation images"
        raise RunError(f"no image is left to compare on ({reasons}); name images that neither model was trained on")
    return images


def _without(
    images: Iterable[ComparedImage], dropped: frozenset[str], remarks: list[str], *, why: str
) -> list[ComparedImage]:
    before = list(images)
    left = [image for image in before if image.sha256 not in dropped]
    if len(left) < len(before):
        remarks.append(f"left out: {counted(len(before) - len(left), 'image')}, because {why}")
    return left
