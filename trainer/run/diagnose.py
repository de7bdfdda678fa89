"""Diagnosis of a run: RUN/diagnosis.json."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from trainer.data import Prepared
from trainer.diagnosis import Finding, collect_evidence, embed_images, write_findings
from trainer.diagnosis.diagnose import diagnose
from trainer.model import Backbone
from trainer.recipe import Recipe
from trainer.run.environment import Environment
from trainer.run.folder import RunFolder
from trainer.run.next_command import NextCommand
from trainer.training.history import read_history
from trainer.training.loop import FitResult
from trainer.training.lr_find.result import read_lr_find


def diagnose_run(
    run: RunFolder, recipe: Recipe, backbone: Backbone, prepared: Prepared, fitted: FitResult, environment: Environment
) -> tuple[tuple[Finding, ...], tuple[str, ...]]:
    """Diagnose a run that was trained, and write what was found.

    Returns:
        The findings, and for each the command line that may help; empty if there is none.
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
