"""Diagnosis of a run: RUN/diagnosis.json."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from trainer.data import Prepared
from trainer.diagnosis import Finding, Render, collect_evidence, diagnose, embed_images, write_findings
from trainer.model import Backbone
from trainer.recipe import Recipe
from trainer.run.environment import Environment
from trainer.run.folder import RunFolder
from trainer.run.next_command import NextCommand, next_run
from trainer.training.history import read_history
from trainer.training.loop import FitResult
from trainer.training.lr_find.result import read_lr_find


def diagnose_run(
    run: RunFolder, recipe: Recipe, backbone: Backbone, prepared: Prepared, fitted: FitResult, environment: Environment
) -> tuple[tuple[Finding, ...], Render]:
    """Diagnose a run that was trained, and write what was found.

    Returns:
        The findings, and a function that turns their remedies into command lines.
    """
    evidence = collect_evidence(
        recipe,
        prepared,
        fitted,
        history=read_history(run.history),
        lr_find=read_lr_find(run.lr_find).get("finetune"),
        embeddings=_embeddings(prepared, backbone, environment),
    )
    findings = diagnose(evidence)
    render = NextCommand(run=run, recipe=recipe, root=prepared.catalog.root, out=next_run(run.path)).render
    write_findings(run.diagnosis, findings, render)
    return findings, render


def _embeddings(prepared: Prepared, backbone: Backbone, environment: Environment) -> npt.NDArray[np.float16]:
    """Of the training images and then of the validation images; none if there are no two sets to compare."""
    data = prepared.data
    if not len(data.valid):
        return np.empty((0, 0), dtype=np.float16)
    return embed_images(
        data.train, data.valid, backbone.pixels, device=environment.device, progress=environment.progress
    )
