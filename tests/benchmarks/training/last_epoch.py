"""What the weights of a run's last epoch say, the choice of the best one left out."""

from __future__ import annotations

from pathlib import Path

import torch

from service.cores import usable_cores
from tests.benchmarks.training.tables import Row, read_rows
from trainer.data import Decoding, prepare_validation
from trainer.model import Backbone, Classifier, load_backbone
from trainer.predictions import write_predictions
from trainer.recipe import RANDOM_WEIGHTS
from trainer.run.folder import own_catalog, recipe_of
from trainer.training.calibration import calibrate
from trainer.training.checkpoint import load_state
from trainer.training.evaluate import predict_logits
from trainer.training.loop import LAST

_AVERAGE = "average."  # the weights that are validated and exported, in a saved state


def predict_last(run: Path, *, cache: Path, device: torch.device) -> list[Row]:
    """The rows that predictions.csv would have if the last epoch's weights were exported; also in RUN/last.csv."""
    recipe = recipe_of(run)
    catalog = own_catalog(run, recipe, None)
    backbone = load_backbone(recipe.backbone, size=recipe.size or None, weights=RANDOM_WEIGHTS)  # the run has its own
    _, valid = prepare_validation(catalog, backbone.pixels, decoding=Decoding(cache, usable_cores()))
    model = last_model(run, backbone, class_count=len(catalog.classes), device=device)
    logits = predict_logits(model, valid, device=device)
    calibration = calibrate(logits, catalog.targets(catalog.split("valid")), task=catalog.task)
    write_predictions(run / "last.csv", catalog, calibration.activate(logits), thresholds=calibration.thresholds)
    return read_rows(run / "last.csv")


def last_model(run: Path, backbone: Backbone, *, class_count: int, device: torch.device) -> Classifier:
    """The classifier of a run with the weights of its last epoch, on a backbone of its kind."""
    model = Classifier(backbone, class_count=class_count)
    weights = {name: tensor for name, tensor in load_state(run / LAST)[0].items() if name.startswith(_AVERAGE)}
    model.load_state_dict({name.removeprefix(_AVERAGE): tensor for name, tensor in weights.items()})
    return model.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload, no-any-return]
