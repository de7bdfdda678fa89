from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn

from tests.support.trainer import fit
from trainer.training.norms import running_statistics_for_single_values


def network() -> nn.Sequential:
    return nn.Sequential(nn.BatchNorm2d(3), nn.AdaptiveAvgPool2d(1), nn.BatchNorm2d(3)).train()


def test_only_a_norm_that_sees_single_values_uses_its_running_statistics() -> None:
    norms, image = network(), torch.randn(1, 3, 4, 4)
    with pytest.raises(ValueError, match="more than 1 value per channel"):
        norms(image)
    norms = network()
    with running_statistics_for_single_values(norms):
        found = norms(image)
    first = nn.BatchNorm2d(3).train()(image)
    torch.testing.assert_close(found, nn.BatchNorm2d(3).eval()(first.mean((2, 3), keepdim=True)))
    assert norms[0].num_batches_tracked == 1
    assert norms[2].num_batches_tracked == 0


def test_afterwards_the_network_is_as_before() -> None:
    norms = network()
    norms[0].eval()  # a frozen group
    with running_statistics_for_single_values(norms):
        norms(torch.randn(1, 3, 1, 1))
    assert [norm.training for norm in norms] == [False, True, True]
    with running_statistics_for_single_values(norms):
        norms(torch.randn(2, 3, 1, 1))
    assert norms[2].num_batches_tracked == 1
    assert not norms[2]._forward_pre_hooks


@pytest.mark.parametrize("options", [("--batch-size", "1"), ("--batch-size", "4", "--accumulate", "4"), ("--compile",)])
def test_single_images_on_maps_of_one_pixel_are_trained_on(
    photos: Path, tmp_path: Path, options: tuple[str, ...]
) -> None:
    """It ended with torch's ValueError, in a traceback."""
    one = ("--batch-size", "1", "--epochs", "1")
    result = fit(photos, tmp_path / "run", "--size", "8", "--weights", "none", *one, *options)
    assert result.exit_code == 0, result.stderr
