"""Augment whole batches on the device: one affine `grid_sample`, then brightness and contrast.

Every random number belongs to an image, not to a worker, a batch or a machine: see `uniforms`.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional as F

from trainer.data.images import to_device
from trainer.recipe import Augmentation

_DRAWS_PER_SAMPLE = 8
_MID_GREY = 127.5
_GOLDEN_GAMMA = np.uint64(0x9E3779B97F4A7C15)


def augment(
    images: Tensor,
    aspects: npt.NDArray[np.float32],
    samples: npt.NDArray[np.int64],
    *,
    size: int,
    settings: Augmentation,
    seed: int,
    epoch: int,
) -> Tensor:
    """Crop whole images at random, rotate and flip them, change their brightness and contrast.

    Args:
        images: uint8 [B, S, S, 3] on any device, whole images squished to squares.
        aspects: float32 [B], width / height of each original.
        samples: int64 [B], numbers of the samples: the same (seed, epoch, sample) gives the same result in any batch.
        size: Side of the output, pixels.
        settings: How much may change.
        seed: Of the fit.
        epoch: From 0.

    Returns:
        float32 [B, 3, size, size] in 0..255, channels last, on the device of `images`.
    """
    draws = _draw(samples, seed=seed, epoch=epoch)
    theta = to_device(crop_matrices(draws, torch.from_numpy(aspects), settings), images.device)
    pixels = images.permute(0, 3, 1, 2).float()
    grid = F.affine_grid(theta, [len(images), 3, size, size], align_corners=False)
    pixels = F.grid_sample(pixels, grid, mode="bilinear", padding_mode="reflection", align_corners=False)
    pixels = _change_lighting(pixels, to_device(draws[:, 6:8].contiguous(), images.device), settings)
    return pixels.contiguous(memory_format=torch.channels_last)


def crop_corners(
    aspects: npt.NDArray[np.float32],
    samples: npt.NDArray[np.int64],
    *,
    settings: Augmentation,
    seed: int,
    epoch: int,
) -> npt.NDArray[np.float32]:
    """Return where `augment`, with the same arguments, takes its crops from.

    Returns:
        float32 [B, 4, 2]: the corners of each crop, from what becomes the top left, round to the bottom left, as x
        and y in fractions of the original's width and height. A rotated crop may reach beyond the image (it is mirrored
        there).
    """
    theta = crop_matrices(_draw(samples, seed=seed, epoch=epoch), torch.from_numpy(aspects), settings)
    corners = torch.tensor([[-1.0, -1.0, 1.0], [1.0, -1.0, 1.0], [1.0, 1.0, 1.0], [-1.0, 1.0, 1.0]])
    return np.asarray((corners @ theta.transpose(1, 2) + 1) / 2)


def crop_matrices(draws: Tensor, aspects: Tensor, settings: Augmentation) -> Tensor:
    """Compute affine matrices for `affine_grid`: output square -> crop of the original, in squished coordinates.

    The crop is a random resized crop (Szegedy et al. 2014, arXiv:1409.4842) in the geometry of the original image,
    where its height is 1 and its width is the aspect ratio. A rotation turns the crop about its centre.

    Args:
        draws: float32 [B, >= 6] in [0, 1): area, aspect, x, y, rotation (whether and how far), flip.
        aspects: float32 [B], width / height of each original.
        settings: How much may change.

    Returns:
        float32 [B, 2, 3].
    """
    area = settings.scale_min + (1 - settings.scale_min) * draws[:, 0]
    ratio = torch.exp((2 * draws[:, 1] - 1) * math.log(settings.aspect_max))
    width = torch.minimum(torch.sqrt(area * aspects * ratio), aspects)
    height = torch.sqrt(area * aspects / ratio).clamp(max=1.0)
    # If one side is cut at the border, the other must shrink too, or a crop of a panorama would be squeezed.
    width = torch.minimum(width, height * settings.aspect_max)
    height = torch.minimum(height, width * settings.aspect_max)
    angle = math.radians(settings.rotation_degrees) * _signed(draws[:, 4], settings.p_affine)
    flip = torch.where(draws[:, 5] < settings.flip, -1.0, 1.0)
    cosine, sine = torch.cos(angle), torch.sin(angle)
    theta = torch.zeros(len(draws), 2, 3)
    theta[:, 0, 0] = flip * cosine * width / aspects
    theta[:, 0, 1] = -sine * height / aspects
    theta[:, 0, 2] = (2 * draws[:, 2] - 1) * (1 - width / aspects)
    theta[:, 1, 0] = flip * sine * width
    theta[:, 1, 1] = cosine * height
    theta[:, 1, 2] = (2 * draws[:, 3] - 1) * (1 - height)
    return theta


def uniforms(samples: npt.NDArray[np.int64], count: int, *, seed: int, epoch: int) -> npt.NDArray[np.float32]:
    """Draw `count` random numbers for each sample.

    They depend on (seed, epoch, sample, column) alone: the finaliser of SplitMix64 (Steele, Lea and Flood 2014, "Fast
    splittable pseudorandom number generators") over a chain of these four integers.

    Args:
        samples: int64 [B], numbers of the samples.
        count: Number of columns.
        seed: Of the fit.
        epoch: From 0.

    Returns:
        float32 [B, count], uniform in [0, 1).
    """
    with np.errstate(over="ignore"):  # arithmetic modulo 2**64 is intended
        state = _mix(np.uint64(seed % 2**64) + _GOLDEN_GAMMA)
        state = _mix(state ^ _mix(np.uint64(epoch % 2**64) + _GOLDEN_GAMMA))
        rows = _mix(state ^ _mix(samples.astype(np.uint64) + _GOLDEN_GAMMA))
        cells = _mix(rows[:, np.newaxis] + np.arange(1, count + 1, dtype=np.uint64) * _GOLDEN_GAMMA)
    return ((cells >> np.uint64(40)).astype(np.float32) * np.float32(2.0**-24)).astype(np.float32)


def _draw(samples: npt.NDArray[np.int64], *, seed: int, epoch: int) -> Tensor:
    """All random numbers of these samples in an epoch: float32 [B, _DRAWS_PER_SAMPLE]."""
    return torch.from_numpy(uniforms(samples, _DRAWS_PER_SAMPLE, seed=seed, epoch=epoch))


def _change_lighting(pixels: Tensor, draws: Tensor, settings: Augmentation) -> Tensor:
    """Change brightness and contrast about mid-grey, in place.

    Args:
        pixels: float32 [B, 3, H, W] in 0..255.
        draws: float32 [B, 2] in [0, 1): brightness, contrast.
        settings: How much may change.

    Returns:
        `pixels`.
    """
    brightness = _MID_GREY * settings.lighting * _signed(draws[:, 0], settings.p_lighting)
    contrast = torch.exp(settings.lighting * _signed(draws[:, 1], settings.p_lighting))
    offset = _MID_GREY * (1 - contrast) + brightness
    return pixels.mul_(contrast.view(-1, 1, 1, 1)).add_(offset.view(-1, 1, 1, 1)).clamp_(0, 255)


def _signed(draws: Tensor, probability: float) -> Tensor:
    """Map draws in [0, 1) to uniform numbers in [-1, 1), with the given probability, and to 0 otherwise."""
    if probability == 0:
        return torch.zeros_like(draws)
    return torch.where(draws < probability, 2 * draws / probability - 1, torch.zeros_like(draws))


def _mix(value: npt.NDArray[np.uint64] | np.uint64) -> npt.NDArray[np.uint64]:
    value = np.asarray(value, dtype=np.uint64)
    value = (value ^ (value >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    value = (value ^ (value >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return np.asarray(value ^ (value >> np.uint64(31)), dtype=np.uint64)
