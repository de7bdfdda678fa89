"""Diagnosis of a run: RUN/diagnosis.json."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from trainer.cleaning.noise import find_label_noise
from trainer.data import Prepared
from trainer.data.prepare import systematic_sample
from trainer.diagnosis import Finding, collect_evidence, embed_images, write_findings
from trainer.diagnosis.diagnose import diagnose
from trainer.diagnosis.label_noise import LabelNoise
from trainer.model import Backbone
from trainer.recipe import Recipe
from trainer.run.environment import Environment
from trainer.run.features import read_features
from trainer.run.folder import RunFolder
from trainer.run.next_command import NextCommand
from trainer.training.history import read_history
from trainer.training.loop import FitResult
from trainer.training.lr_find.result import read_lr_find

_MOST_JUDGED = 20_000  # of whose labels the diagnosis judges; more would take minutes


def diagnose_run(
    run: RunFolder, recipe: Recipe, backbone: Backbone, prepared: Prepared, fitted: FitResult, environment: Environment
) -> tuple[tuple[Finding, ...], tuple[str, ...]]:
    """Diagnose a run that was trained, and write what was found.

    Returns:
        The findings, and for each the command line that may help; empty if there is none.
    """
    embeddings = _embeddings(prepared, backbone, environment)
    evidence = collect_evidence(
        recipe,
        prepared,
        fitted,
        history=read_history(run.history),
        lr_find=read_lr_find(run.lr_find).get("finetune"),
        embeddings=embeddings,
        label_noise=_label_noise(run, prepared, embeddings),
    )
    findings = diagnose(evidence)
    next_command = NextCommand(run=run, recipe=recipe, root=prepared.catalog.root)
    commands = next_command.render_all([finding.remedy for finding in findings])
    write_findings(run.diagnosis, findings, commands)
    return findings, commands


def _embeddings(prepared: Prepared, backbone: Backbone, environment: Environment) -> npt.NDArray[np.float16]:
    """Of the training images and then of the validation images; none if there are no two sets to compare."""
    data = prepared.data
    if not len(data.valid):
        return np.empty((0, 0), dtype=np.float16)
    return embed_images(
        data.train, data.valid, backbone.pixels, device=environment.device, progress=environment.progress
    )


def _label_noise(run: RunFolder, prepared: Prepared, embeddings: npt.NDArray[np.float16]) -> LabelNoise | None:
    """Labels that are probably wrong; None if there are few, or no features, and for multilabel."""
    catalog, data = prepared.catalog, prepared.data
    if data.task != "classification":
        return None
    rows = (*catalog.split("train"), *catalog.split("valid"))
    features = read_features(run, count=len(catalog.rows))
    if features is None:
        features = embeddings
    else:
        splits = np.array([row.split for row in catalog.rows])
        features = features[np.concatenate([np.flatnonzero(splits == split) for split in ("train", "valid")])]
    if len(features) != len(rows):
        return None
    targets = np.concatenate([data.train_targets, data.valid_targets])
    chosen = systematic_sample(rows, seed=0, count=_MOST_JUDGED)
    return find_label_noise(
        features[chosen], targets[chosen], [rows[position] for position in chosen.tolist()], classes=catalog.classes
    )
