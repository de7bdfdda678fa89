"""From a fitted run to what stands out in it: RUN/diagnosis.json."""

from __future__ import annotations

import itertools
import json
from pathlib import Path

import torch

from service.pixels import PixelSpec
from trainer.atomic import atomic_write_text
from trainer.catalog import Catalog, Row, lost_classes
from trainer.data import Prepared
from trainer.diagnosis.commands import Commands
from trainer.diagnosis.curve import draw_curve
from trainer.diagnosis.diagnose import Evidence, NearestTrainImages, diagnose, to_json
from trainer.diagnosis.embeddings import embed_images
from trainer.diagnosis.finding import Finding
from trainer.diagnosis.judged import Predictions
from trainer.diagnosis.leak import leaks
from trainer.diagnosis.lr_evidence import read_sweep
from trainer.diagnosis.near_duplicates import MANY, FloatArray, nearest, whiten
from trainer.diagnosis.regroup import regroup
from trainer.progress import Progress
from trainer.recipe import Recipe
from trainer.training.history import read_history
from trainer.training.loop import FitResult
from trainer.training.metrics import activate


def diagnose_run(
    run: Path,
    recipe: Recipe,
    prepared: Prepared,
    fitted: FitResult,
    *,
    pixels: PixelSpec,
    device: torch.device,
    progress: Progress,
) -> tuple[Finding, ...]:
    """Diagnose a run that has its history and, where a sweep was made, lr_find.json; write RUN/diagnosis.json.

    pixels  what the service will do to an image

    Where many validation images have a near duplicate among the training images, RUN/regrouped.csv is written too: the
    same images, split so that near duplicates stand on one side. Files that are there are replaced, whole or not at
    all.
    """
    data, catalog = prepared.data, prepared.catalog
    # Not calibrated for one label an image: where many are wrong, that makes the network unsure of what it knows.
    calibrated = data.task == "multilabel"
    probabilities, subset_probabilities = (
        fitted.calibration.activate(logits) if calibrated else activate(logits, data.task)
        for logits in (fitted.logits, fitted.subset_logits)
    )
    rows = catalog.split("train")
    features = embed_images(data.train, data.valid, pixels, device=device, progress=progress)
    twins = _find_twins(features, rows, catalog.split("valid"))
    commands = Commands(run=run, recipe=recipe, root=catalog.root, out=_next_run(run))
    facts = Evidence(
        catalog=catalog,
        lost=lost_classes(prepared.unreadable, catalog.classes),
        curve=draw_curve(
            read_history(run / "history.jsonl"),
            task=data.task,
            train_targets=data.train_targets,
            valid_count=len(data.valid),
        ),
        sweep=read_sweep(run / "lr_find.json"),
        valid=Predictions(
            names=[row.path for row in catalog.split("valid")],
            probabilities=probabilities,
            targets=data.valid_targets,
        ),
        trained=Predictions(
            names=[rows[position].path for position in data.subset_positions.tolist()],
            probabilities=subset_probabilities,
            targets=data.subset_targets,
        ),
        thresholds=fitted.calibration.thresholds,
        twins=twins,
        commands=commands,
        split_command=_split_anew(catalog, features, commands) if leaks(twins.similarities) else "",
    )
    findings = diagnose(facts)
    with atomic_write_text(run / "diagnosis.json") as file:
        file.write(json.dumps(to_json(findings), indent=1, ensure_ascii=False, allow_nan=False) + "\n")
    return findings


def _find_twins(features: FloatArray, train: tuple[Row, ...], valid: tuple[Row, ...]) -> NearestTrainImages:
    units = whiten(features)
    positions, similarities = nearest(units[len(train) :], units[: len(train)])
    pairs = [(row.path, train[position].path) for row, position in zip(valid, positions.tolist(), strict=True)]
    return NearestTrainImages(similarities=similarities, pairs=pairs, few=len(features) < MANY)


def _split_anew(catalog: Catalog, features: FloatArray, commands: Commands) -> str:
    regrouped = regroup(catalog, features, seed=commands.recipe.seed)
    if regrouped is None:
        return ""
    table = commands.run / "regrouped.csv"
    table.unlink(missing_ok=True)  # of a diagnosis that was interrupted
    regrouped.write_csv(table)
    return commands.fit_table(table)


def _next_run(run: Path) -> Path:
    """RUN-2, or the first of RUN-3, ... that is not there."""
    place = run.resolve() if run.name in ("", "..") else run
    names = (place.with_name(f"{place.name}-{number}") for number in itertools.count(2))
    return next(path for path in names if not path.exists())
