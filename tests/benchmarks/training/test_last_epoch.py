from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from tests.benchmarks.training.last_epoch import last_model, predict_last
from tests.support.photos import write_folder
from trainer.progress import NoProgress
from trainer.recipe import read_recipe
from trainer.run import Environment, RunFolder
from trainer.run.inputs import load_recipe_backbone, prepare_images, read_recipe_catalog
from trainer.training.calibration import calibrate
from trainer.training.checkpoint import load_state, load_tensors, save_tensors
from trainer.training.evaluate import predict_logits
from trainer.training.history import History
from trainer.training.loop import fit
from trainer.training.metrics import compute_metrics

CPU = torch.device("cpu")


def test_the_last_epoch_is_evaluated_and_not_the_best_one(tmp_path: Path) -> None:
    photos, run, cache = write_folder(tmp_path / "photos"), RunFolder(tmp_path / "run"), tmp_path / "cache"
    data = {"data.path": str(photos), "data.base": str(photos)}
    recipe = read_recipe(None, {"backbone": "tiny", "finetune.epochs": 3, "finetune.ema_decay": 0.5, **data})
    backbone = load_recipe_backbone(recipe)
    environment = Environment(device=CPU, threads=1, cache=cache, progress=NoProgress())
    prepared = prepare_images(read_recipe_catalog(recipe), backbone, recipe, environment)
    run.create(recipe)
    run.write_prepared(prepared)
    session = environment.open_session(prepared.data, History(run.history))
    fit(backbone, prepared.data, recipe, session, run.training_files)
    records = [json.loads(line) for line in run.history.read_text().splitlines()]
    last = [record["valid"] for record in records if record["event"] == "epoch"][-1]

    rows = predict_last(run.path, cache=cache, device=CPU)
    assert sum(row["correct"] == "1" for row in rows) / len(rows) == pytest.approx(last["accuracy"])
    model = last_model(run, backbone, class_count=3, device=CPU)
    logits, targets = predict_logits(model, prepared.data.valid, device=CPU), prepared.data.valid_targets
    calibrated = calibrate(logits, targets, task="classification").activate(logits)
    loss = compute_metrics(calibrated, targets, task="classification")["loss"]
    assert sum(float(row["loss"]) for row in rows) / len(rows) == pytest.approx(loss, abs=1e-5)

    tensors, state = load_tensors(run.last), load_state(run.last)  # as if the last epoch had spoilt everything
    tensors["ema.head.bias"] = torch.tensor([0.0, 1000.0, 0.0])
    save_tensors(run.last, tensors, state)
    assert {row["predicted"] for row in predict_last(run.path, cache=cache, device=CPU)} == {"green"}
