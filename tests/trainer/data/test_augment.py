from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from trainer.data import augment, uniforms
from trainer.data.augment import crop_matrices
from trainer.errors import RecipeError
from trainer.recipe import Augmentation

UNCHANGED = Augmentation(flip=0, rotation_degrees=0, scale_min=1, aspect_max=1, lighting=0)


def picture(size: int = 48) -> torch.Tensor:
    """uint8 [1, size, size, 3]: x in red, y in green, so that the colour of a pixel shows its position."""
    ramp = torch.linspace(0, 255, size)
    image = torch.stack([ramp.expand(size, size), ramp[:, None].expand(size, size), torch.zeros(size, size)], dim=2)
    return image.round().to(torch.uint8)[None]


def run(
    settings: Augmentation, *, sample: int = 0, aspect: float = 1.0, size: int = 48, epoch: int = 0
) -> torch.Tensor:
    samples = np.array([sample], dtype=np.int64)
    aspects = np.array([aspect], dtype=np.float32)
    return augment(picture(), aspects, samples, size=size, settings=settings, seed=0, epoch=epoch)[0]


def test_settings_of_zero_leave_the_image_unchanged() -> None:
    out = run(UNCHANGED)
    assert out.dtype == torch.float32
    assert out.shape == (3, 48, 48)
    assert torch.allclose(out, picture()[0].permute(2, 0, 1).float(), atol=1e-3)


def test_flip_swaps_left_and_right() -> None:
    out = run(Augmentation(flip=1, rotation_degrees=0, scale_min=1, aspect_max=1, lighting=0))
    assert torch.allclose(out, picture()[0].permute(2, 0, 1).float().flip(2), atol=1e-3)


@given(
    draws=st.lists(st.floats(0, 0.9375, width=32), min_size=8, max_size=8),
    aspect=st.floats(0.25, 5, width=32),
    scale=st.floats(0.05, 1),
)
def test_a_crop_without_rotation_lies_within_the_image(draws: list[float], aspect: float, scale: float) -> None:
    settings = Augmentation(rotation_degrees=0, scale_min=scale)
    theta = crop_matrices(torch.tensor([draws]), torch.tensor([aspect]), settings)[0]
    corners = torch.tensor([[x, y, 1.0] for x in (-1.0, 1.0) for y in (-1.0, 1.0)])
    assert (corners @ theta.T).abs().max() <= 1 + 1e-5


def test_a_crop_has_the_asked_area_and_aspect_ratio_in_the_original() -> None:
    draws = torch.rand(2000, 8, generator=torch.Generator().manual_seed(0))
    aspects = torch.full((2000,), 1.5)
    settings = Augmentation(rotation_degrees=0, flip=0, scale_min=0.3)
    theta = crop_matrices(draws, aspects, settings)
    width, height = theta[:, 0, 0] * 1.5, theta[:, 1, 1]
    area = width * height / 1.5
    assert area.max() <= 1 + 1e-6
    not_cut = (width < 1.5) & (height < 1)
    assert (area[not_cut] >= 0.3 - 1e-6).all()
    assert ((width / height)[not_cut] >= 0.75 - 1e-5).all()
    assert ((width / height)[not_cut] <= 4 / 3 + 1e-5).all()


@pytest.mark.parametrize("aspect", [16 / 9, 3.0, 0.2])
def test_a_crop_of_a_long_image_has_the_asked_aspect_ratio_too(aspect: float) -> None:
    """Regression: each side was clamped without the other, and panoramas were squeezed."""
    draws = torch.rand(2000, 8, generator=torch.Generator().manual_seed(2))
    theta = crop_matrices(draws, torch.full((2000,), aspect), Augmentation(rotation_degrees=0, flip=0))
    ratio = theta[:, 0, 0] * aspect / theta[:, 1, 1]
    assert ratio.max() <= 4 / 3 + 1e-5
    assert ratio.min() >= 3 / 4 - 1e-5


def test_a_rotation_is_rigid_in_the_original_geometry() -> None:
    draws = torch.rand(500, 8, generator=torch.Generator().manual_seed(1))
    aspects = torch.linspace(0.4, 2.5, 500)
    theta = crop_matrices(draws, aspects, Augmentation(rotation_degrees=30, flip=0))
    # In the units of the original a rotation keeps the two axes at right angles.
    across = torch.stack([theta[:, 0, 0] * aspects, theta[:, 1, 0]], dim=1)
    down = torch.stack([theta[:, 0, 1] * aspects, theta[:, 1, 1]], dim=1)
    assert (across * down).sum(1).abs().max() < 1e-5
    angles = torch.rad2deg(torch.atan2(across[:, 1], across[:, 0]))
    assert angles.abs().max() <= 30
    assert (angles == 0).float().mean() == pytest.approx(0.25, abs=0.07)


def test_lighting_changes_brightness_and_contrast_within_the_range() -> None:
    lit = [
        run(Augmentation(flip=0, rotation_degrees=0, scale_min=1, aspect_max=1, lighting=0.3), sample=n)
        for n in range(40)
    ]
    means = torch.stack([out.mean() for out in lit])
    assert means.std() > 3
    assert all(out.min() >= 0 and out.max() <= 255 for out in lit)


def test_the_crop_depends_on_the_sample_and_the_epoch_but_not_on_the_batch() -> None:
    samples = np.array([5, 9], dtype=np.int64)
    images = picture().repeat(2, 1, 1, 1)
    aspects = np.ones(2, dtype=np.float32)
    both = augment(images, aspects, samples, size=32, settings=Augmentation(), seed=1, epoch=2)
    alone = augment(images[1:], aspects[1:], samples[1:], size=32, settings=Augmentation(), seed=1, epoch=2)
    other = augment(images[1:], aspects[1:], samples[1:], size=32, settings=Augmentation(), seed=1, epoch=3)
    assert torch.equal(both[1:], alone)
    assert not torch.equal(alone, other)


@pytest.mark.parametrize(
    ("name", "value"),
    [("flip", 1.1), ("rotation_degrees", -1), ("scale_min", 0), ("aspect_max", 0.5), ("lighting", float("nan"))],
)
def test_settings_out_of_range_are_refused(name: str, value: float) -> None:
    with pytest.raises(RecipeError, match=rf"augmentation\.{name} is {value}; it must be from"):
        Augmentation(**{name: value})


def test_random_numbers_of_a_sample_are_the_same_in_any_batch() -> None:
    together = uniforms(np.arange(100, dtype=np.int64), 8, seed=3, epoch=5)
    alone = uniforms(np.array([42], dtype=np.int64), 8, seed=3, epoch=5)
    assert np.array_equal(together[42:43], alone)


def test_seed_epoch_and_sample_each_change_every_random_number() -> None:
    samples = np.arange(50, dtype=np.int64)
    base = uniforms(samples, 8, seed=0, epoch=0)
    assert not np.isin(uniforms(samples, 8, seed=1, epoch=0), base).any()
    assert not np.isin(uniforms(samples, 8, seed=0, epoch=1), base).any()
    assert len(np.unique(base)) == base.size


def test_random_numbers_are_uniform_and_independent() -> None:
    numbers = uniforms(np.arange(20_000, dtype=np.int64), 4, seed=9, epoch=1)
    assert numbers.dtype == np.float32
    assert numbers.min() >= 0
    assert numbers.max() < 1
    counts = np.histogram(numbers, bins=20, range=(0, 1))[0]
    assert (abs(counts / numbers.size - 0.05) < 0.003).all()
    correlation = np.corrcoef(numbers, rowvar=False) - np.eye(4)
    assert abs(correlation).max() < 0.03
    assert abs(np.corrcoef(numbers[:-1, 0], numbers[1:, 0])[0, 1]) < 0.03


def test_random_numbers_are_the_same_on_every_machine() -> None:
    assert uniforms(np.array([0, 1], dtype=np.int64), 2, seed=0, epoch=0).tolist() == [
        [0.3380524516105652, 0.26913022994995117],
        [0.43274492025375366, 0.425632119178772],
    ]
