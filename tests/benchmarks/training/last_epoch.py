"""What the weights of a run's last epoch predict, without the choice of the best epoch."""

from __future__ import annotations

from pathlib import Path

import torch

from service.cores import usable_cores
from tests.benchmarks.training.tables import Row, read_rows
from trainer.data import Decoding, hash_and_decode
from trainer.model import Backbone, Classifier, load_backbone
from trainer.predictions import write_predictions
from trainer.recipe import RANDOM_WEIGHTS
from trainer.run import RunFolder
from trainer.training.calibration import calibrate
from trainer.training.checkpoint import load_tensors
from trainer.training.evaluate import predict_logits

_EMA = "ema."  # the weights that are validated and exported, in a checkpoint


def predict_last(path: Path, *, cache: Path, device: torch.device) -> list[Row]:
    """Return the rows that predictions.csv would have if the last epoch were exported; also written to RUN/last.csv."""
    run = RunFolder(path)
    recipe = run.read_recipe()
    catalog = run.read_catalog(recipe, None)
    backbone = load_backbone(recipe.backbone, size=recipe.size or None, weights=RANDOM_WEIGHTS)  # the run has its own
    decoding = Decoding(cache, usable_cores())
    _, valid, _ = hash_and_decode(catalog, catalog.split("valid"), backbone.pixels, decoding=decoding)
    model = last_model(run, backbone, class_count=len(catalog.classes), device=device)
    logits = predict_logits(model, valid, device=device)
    calibration = calibrate(logits, catalog.targets(catalog.split("valid")), task=catalog.task)
    last = path / "last.csv"
    write_predictions(last, catalog, calibration.activate(logits), thresholds=calibration.thresholds)
    return read_rows(last)


def last_model(run: RunFolder, backbone: Backbone, *, class_count: int, device: torch.device) -> Classifier:
    """Return the classifier of a run with the weights of its last epoch, on a backbone of the same kind."""
    model = Classifier(backbone, class_count=class_count)
    weights = {name: tensor for name, tensor in load_tensors(run.last).items() if name.startswith(_EMA)}
    model.load_state_dict({name.removeprefix(_EMA): tensor for name, tensor in weights.items()})
    return model.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload, no-any-return]
