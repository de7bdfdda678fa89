"""Diagnosis of a run: RUN/diagnosis.json, and RUN/regrouped.csv if the images have a better split."""

from __future__ import annotations

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
    data, catalog = prepared.data, prepared.catalog
    evidence = collect_evidence(
        recipe,
        prepared,
        fitted,
        history=read_history(run.history),
        lr_find=read_lr_find(run.lr_find).get("finetune"),
        embeddings=embed_images(
            data.train, data.valid, backbone.pixels, device=environment.device, progress=environment.progress
        ),
    )
    if evidence.regrouped is not None:
        run.regrouped.unlink(missing_ok=True)  # left by a diagnosis that was interrupted
        evidence.regrouped.write_csv(run.regrouped)
    findings = diagnose(evidence)
    render = NextCommand(run=run, recipe=recipe, root=catalog.root, out=next_run(run.path)).render
    write_findings(run.diagnosis, findings, render)
    return findings, render
