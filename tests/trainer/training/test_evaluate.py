from __future__ import annotations

import numpy as np
import pytest
import torch

from tests.support.training import CPU, cpu_session
from trainer.data import Prepared
from trainer.errors import FitError
from trainer.model import Backbone, Classifier
from trainer.training.evaluate import EarlyStopping, batches, evaluate_epoch, predict_logits
from trainer.training.memory import MicroBatch
from trainer.training.metrics import activate, compute_metrics


@pytest.mark.parametrize(
    ("patience", "accuracies", "stop"),
    [
        (2, [0.5, 0.5, 0.4], True),
        (2, [0.5, 0.4, 0.6], False),
        (3, [0.5, 0.4, 0.5], False),
        (0, [0.5, 0.4, 0.4, 0.4, 0.4], False),
    ],
)
def test_early_stopping_counts_epochs_without_a_better_primary_metric(
    patience: int, accuracies: list[float], stop: bool
) -> None:
    stopping = EarlyStopping(patience, task="classification")
    best: dict[str, float] = {}
    for accuracy in accuracies:
        after = {"accuracy": max(accuracy, best.get("accuracy", 0.0))}
        stopping.update(best, after)
        best = after
    assert stopping.stop == stop


def test_early_stopping_continues_to_count() -> None:
    stopping = EarlyStopping(3, task="multilabel", wait=2)
    assert not stopping.stop
    stopping.update({"mean_average_precision": 0.5}, {"mean_average_precision": 0.5})
    assert stopping.wait == 3
    assert stopping.stop


@pytest.mark.parametrize("task", ["classification", "multilabel"])
def test_an_epoch_is_measured_on_validation_images_and_on_some_training_images(
    prepared: Prepared, tagged: Prepared, backbone: Backbone, task: str
) -> None:
    data = (prepared if task == "classification" else tagged).data
    model = Classifier(backbone, class_count=data.class_count)
    torch.nn.init.normal_(model.head.weight, std=0.1)
    metrics = evaluate_epoch(model, data, cpu_session(data), MicroBatch(5, device=CPU))
    for cache, targets, found in (
        (data.valid, data.valid_targets, metrics.valid),
        (data.subset, data.subset_targets, metrics.train),
    ):
        probabilities = activate(predict_logits(model, cache, device=CPU), data.task)
        assert found == pytest.approx(compute_metrics(probabilities, targets, task=data.task), abs=1e-5)


@pytest.mark.parametrize("task", ["classification", "multilabel"])
def test_predictions_that_are_not_finite_are_reported(
    prepared: Prepared, tagged: Prepared, backbone: Backbone, task: str
) -> None:
    """With several labels an image, the metrics cannot be computed from them."""
    data = (prepared if task == "classification" else tagged).data
    model = Classifier(backbone, class_count=data.class_count)
    with torch.no_grad():
        model.head.bias.fill_(float("nan"))
    with pytest.raises(FitError, match="predictions of the network are not finite any more; try a tenth of the `lr`"):
        evaluate_epoch(model, data, cpu_session(data), MicroBatch(64, device=CPU))


def test_every_image_is_predicted_in_order_and_in_eval_mode(prepared: Prepared, backbone: Backbone) -> None:
    model = Classifier(backbone, class_count=3, dropout=0.9).train()
    torch.nn.init.normal_(model.head.weight, std=0.1)
    together = predict_logits(model, prepared.data.train, device=CPU)
    apart = predict_logits(model, prepared.data.train, device=CPU, micro_batch=MicroBatch(1, device=CPU))
    assert not model.training
    assert together.dtype == np.float32
    assert together.shape == (len(prepared.data.train), 3)
    assert together == pytest.approx(apart, abs=1e-4)


@pytest.mark.parametrize(("count", "lengths"), [(0, []), (1, [1]), (4, [4]), (9, [4, 4, 1])])
def test_batches_are_everything_once_in_order(count: int, lengths: list[int]) -> None:
    found = batches(count, 4)
    assert [len(batch) for batch in found] == lengths
    assert [number for batch in found for number in batch] == list(range(count))
