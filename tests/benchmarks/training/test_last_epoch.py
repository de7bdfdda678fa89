from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from tests.benchmarks.training.last_epoch import last_model, predict_last
from tests.support.photos import write_folder
from trainer.cli.overrides import recipe_keys
from trainer.progress import NoProgress
from trainer.recipe import read_recipe
from trainer.run import Environment
from trainer.run.folder import create, write_prepared
from trainer.run.inputs import backbone_of, catalog_of, prepared_for
from trainer.training.calibration import calibrate
from trainer.training.checkpoint import load_state, save_state
from trainer.training.evaluate import predict_logits
from trainer.training.loop import LAST, fit
from trainer.training.metrics import compute_metrics

CPU = torch.device("cpu")


def test_the_last_epoch_judges_and_not_the_best(tmp_path: Path) -> None:
    photos, run, cache = write_folder(tmp_path / "photos"), tmp_path / "run", tmp_path / "cache"
    asked = {"backbone": "tiny", "finetune.epochs": 3, "finetune.ema_decay": 0.5, "data.base": str(photos)}
    recipe = read_recipe(None, recipe_keys(photos, {}) | asked)
    backbone = backbone_of(recipe)
    environment = Environment(device=CPU, threads=1, cache=cache, progress=NoProgress())
    prepared = prepared_for(catalog_of(recipe), backbone, recipe, environment)
    create(run, recipe)
    write_prepared(run, prepared)
    fit(backbone, prepared.data, recipe, run=run, device=CPU, progress=NoProgress())
    records = [json.loads(line) for line in (run / "history.jsonl").read_text().splitlines()]
    last = [record["valid"] for record in records if record["event"] == "epoch"][-1]

    rows = predict_last(run, cache=cache, device=CPU)
    assert sum(row["correct"] == "1" for row in rows) / len(rows) == pytest.approx(last["accuracy"])
    model = last_model(run, backbone, class_count=3, device=CPU)
    logits, targets = predict_logits(model, prepared.data.valid, device=CPU), prepared.data.valid_targets
    calibrated = calibrate(logits, targets, task="classification").activate(logits)
    loss = compute_metrics(calibrated, targets, task="classification")["loss"]
    assert sum(float(row["loss"]) for row in rows) / len(rows) == pytest.approx(loss, abs=1e-5)

    tensors, facts = load_state(run / LAST)  # as if the last epoch had spoilt everything
    tensors["average.head.bias"] = torch.tensor([0.0, 1000.0, 0.0])
    save_state(run / LAST, tensors, facts)
    assert {row["predicted"] for row in predict_last(run, cache=cache, device=CPU)} == {"green"}
