"""A bundle from the best weights of a run."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from service.bundle import Bundle, SigningKey
from trainer.data import prepare_export
from trainer.errors import RunError
from trainer.export import Exportable, export_bundle
from trainer.export.golden import require_golden
from trainer.export.place import bundle_place
from trainer.model import Classifier, load_backbone
from trainer.recipe import RANDOM_WEIGHTS, Recipe, naming_options
from trainer.run.calibration_set import CalibrationImages, LabelledImages, images_of_recipe, load_calibration_set
from trainer.run.environment import Environment
from trainer.run.folder import RunFolder, require_free
from trainer.run.learned import learned_images
from trainer.training.checkpoint import load_state, load_weights


@dataclass(frozen=True, kw_only=True)
class ExportOptions:
    """What to export.

    Attributes:
        out: Folder or .zip of the bundle; None: only `oci` is written.
        oci: Folder of an OCI image layout with the bundle; None: none is written.
        name: Of the bundle; empty: the run's.
        version: Of the bundle.
        golden: Which golden images; None: as the run's recipe says.
        int8: Whether to export in 8-bit integers, too: auto, off or require; None: as the run's recipe says.
        limits_of_use: What the model must not be used for, a text a line; None: as the run's recipe says.
        calibration: Labelled images that chose nothing, to calibrate on; None: as the run's recipe says.
        max_error: Largest fraction of wrong answers; 0: the model always answers; None: as the run's recipe says.
        confidence: How sure that must be; None: as the run's recipe says.
        set_level: How often a set of labels must hold the right one; 0: no sets; None: as the run's recipe says.
        root: Folder of the images, if they were moved.
        sign_key: Private key (Ed25519, PEM) that signs the bundle; None: it is not signed.
    """

    out: Path | None = None
    oci: Path | None = None
    name: str = ""
    version: str = "1"
    golden: str | None = None
    int8: str | None = None
    limits_of_use: str | None = None
    calibration: LabelledImages | None = None
    max_error: float | None = None
    confidence: float | None = None
    set_level: float | None = None
    root: Path | None = None
    sign_key: Path | None = None


@dataclass(frozen=True, kw_only=True, eq=False)
class Exported:
    """A bundle, and the images that it was calibrated on.

    Attributes:
        bundle: As it was read back.
        calibration: None: the validation images, if there are some.
    """

    bundle: Bundle
    calibration: CalibrationImages | None


def export_run(path: Path, options: ExportOptions, environment: Environment) -> Exported:
    """Write a bundle from the best weights of a run.

    Raises:
        RunError: The run has no weights yet, or its images have changed.
        RecipeError: An option is out of bounds.
        CatalogError: The images, or those to calibrate on, are not there any more or cannot be used.
        ExportError: The bundle did not pass its checks.
        KeyUnusable: `sign_key` cannot be used.
        FileExistsError: `out` or `oci` exists.
    """
    require_places(options.out, options.oci)
    key = None if options.sign_key is None else SigningKey(options.sign_key)
    run = RunFolder(path)
    recipe = run.read_recipe()
    run.require(run.catalog, run.best, run.last)
    catalog = run.read_catalog(recipe, options.root)
    backbone = load_backbone(recipe.backbone, size=recipe.size or None, weights=RANDOM_WEIGHTS)  # the run has its own
    require_golden(options.golden or recipe.golden, has_validation=not catalog.without_validation)
    recipe = _with_options(recipe, options)
    images = options.calibration or images_of_recipe(recipe)
    found = None if images is None else load_calibration_set(images, catalog, recipe, backbone.pixels, environment)
    rows, checked = prepare_export(catalog, backbone.pixels, seed=recipe.seed, decoding=environment.decoding)
    checked_paths = {row.path for row in rows}
    run.require_unchanged([row for row in catalog.rows if row.path in checked_paths], rows)
    classifier = Classifier(backbone, class_count=len(catalog.classes), dropout=recipe.dropout)
    load_weights(classifier, run.best)
    trained = Exportable(
        classifier=classifier,
        pixels=backbone.pixels,
        catalog=catalog,
        checked=checked,
        learned=learned_images(catalog, backbone.pixels, recipe, environment, hashed=False),
        recipe=recipe,
        unreadable_count=len(run.read_unreadable(recipe)),
        head_trained="head" in load_state(run.last)["stage_seconds"],
        own_calibration_set=None if found is None else found.set,
    )
    with bundle_place(options.out, oci=options.oci) as place:
        bundle = export_bundle(
            trained,
            place,
            version=options.version,
            threads=environment.threads,
            progress=environment.progress,
            key=key,
        )
    return Exported(bundle=bundle, calibration=found)


def require_places(out: Path | None, oci: Path | None) -> None:
    """Raise RunError if there is no place for a bundle, FileExistsError if something is there."""
    if out is None and oci is None:
        raise RunError("say where the bundle goes: `out` for a folder or .zip, `oci` for an image, or both")
    if out is not None:
        require_free(out)
    if oci is not None:
        require_free(oci, name="oci")


def _with_options(recipe: Recipe, options: ExportOptions) -> Recipe:
    """The recipe of the run, but for what was asked for this bundle."""
    with naming_options(vars(options)):
        asked = _given(options, "max_error", "confidence", "set_level")
        if options.calibration is not None:
            asked["calibration"] = str(options.calibration.path)
        abstention = dataclasses.replace(recipe.abstention, **asked)
        changes = _given(options, "golden", "int8", "limits_of_use")
        return dataclasses.replace(recipe, name=options.name or recipe.name, abstention=abstention, **changes)


def _given(options: ExportOptions, *names: str) -> dict[str, Any]:
    return {name: value for name in names if (value := getattr(options, name)) is not None}
