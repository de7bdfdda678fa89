from __future__ import annotations

import pytest
import torch

from trainer.model import Classifier, load_backbone
from trainer.training.ema import Ema


def test_the_average_follows_the_weights_and_warms_up() -> None:
    model = Classifier(load_backbone("tiny"), class_count=2)
    ema = Ema(model, decay=0.99)
    with torch.no_grad():
        model.head.bias.fill_(1.0)
    ema.update()
    assert ema.model.head.bias[0].item() == pytest.approx(1 - 2 / 11)
    for _ in range(2000):
        ema.update()
    assert ema.model.head.bias[0].item() == pytest.approx(1.0, abs=1e-4)
    assert model.head.bias[0].item() == 1.0
    assert not ema.model.training


def test_counters_are_copied() -> None:
    model = Classifier(load_backbone("tiny"), class_count=2)
    ema = Ema(model, decay=0.99)
    counters = [name for name in model.state_dict() if name.endswith("num_batches_tracked")]
    for name in counters:
        model.state_dict()[name].fill_(7)
    ema.update()
    assert counters
    assert all(ema.model.state_dict()[name].item() == 7 for name in counters)
