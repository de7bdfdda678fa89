"""Augments whole batches on the device: one affine `grid_sample`, then lighting."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional as F

from trainer.data.images import to_device
from trainer.data.uniforms import uniforms
from trainer.recipe import Augmentation

_COLUMNS = 8


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
    """Random crops of whole images, turned, mirrored and lit.

    images   uint8 [B, S, S, 3] on any device: whole images squished to squares
    aspects  float32 [B], width / height of each original
    samples  int64 [B], numbers of the images: the same (seed, epoch, sample) gives the same crop in any batch

    Returns float32 [B, 3, size, size] in 0..255, channels last, on the device of `images`.
    """
    draws = torch.from_numpy(uniforms(samples, _COLUMNS, seed=seed, epoch=epoch))
    theta = to_device(crop_matrices(draws, torch.from_numpy(aspects), settings), images.device)
    pixels = images.permute(0, 3, 1, 2).float()
    grid = F.affine_grid(theta, [len(images), 3, size, size], align_corners=False)
    pixels = F.grid_sample(pixels, grid, mode="bilinear", padding_mode="reflection", align_corners=False)
    pixels = _light(pixels, to_device(draws[:, 6:8].contiguous(), images.device), settings)
    return pixels.contiguous(memory_format=torch.channels_last)


def crop_matrices(draws: Tensor, aspects: Tensor, settings: Augmentation) -> Tensor:
    """Affine matrices for `affine_grid`: output square -> crop of the original, in squished coordinates.

    draws    float32 [B, >= 6] in [0, 1): area, aspect, x, y, rotation, mirror; rotation's share is drawn with it
    aspects  float32 [B]

    Returns float32 [B, 2, 3]. The crop is a random resized crop (Szegedy et al. 2014, arXiv:1409.4842) in the geometry
    of the original image, where its height is 1 and its width is the aspect ratio; a rotation turns the crop about its
    centre.
    """
    area = settings.scale_min + (1 - settings.scale_min) * draws[:, 0]
    ratio = torch.exp((2 * draws[:, 1] - 1) * math.log(settings.aspect_max))
    width = torch.minimum(torch.sqrt(area * aspects * ratio), aspects)
    height = torch.sqrt(area * aspects / ratio).clamp(max=1.0)
    # A side that met the border takes the other with it, or a panorama would be squeezed.
    width = torch.minimum(width, height * settings.aspect_max)
    height = torch.minimum(height, width * settings.aspect_max)
    angle = math.radians(settings.rotation_degrees) * _signed(draws[:, 4], settings.p_affine)
    mirror = torch.where(draws[:, 5] < settings.flip, -1.0, 1.0)
    cosine, sine = torch.cos(angle), torch.sin(angle)
    theta = torch.zeros(len(draws), 2, 3)
    theta[:, 0, 0] = mirror * cosine * width / aspects
    theta[:, 0, 1] = -sine * height / aspects
    theta[:, 0, 2] = (2 * draws[:, 2] - 1) * (1 - width / aspects)
    theta[:, 1, 0] = mirror * sine * width
    theta[:, 1, 1] = cosine * height
    theta[:, 1, 2] = (2 * draws[:, 3] - 1) * (1 - height)
    return theta


def _light(pixels: Tensor, draws: Tensor, settings: Augmentation) -> Tensor:
    """Brightness and contrast about mid-grey; float32 [B, 3, H, W] in 0..255, changed in place."""
    brightness = 127.5 * settings.lighting * _signed(draws[:, 0], settings.p_lighting)
    contrast = torch.exp(settings.lighting * _signed(draws[:, 1], settings.p_lighting))
    offset = 127.5 * (1 - contrast) + brightness
    return pixels.mul_(contrast.view(-1, 1, 1, 1)).add_(offset.view(-1, 1, 1, 1)).clamp_(0, 255)


def _signed(draw: Tensor, share: float) -> Tensor:
    """[0, 1) -> uniform in [-1, 1) for the given share of the draws, 0 for the rest."""
    if share == 0:
        return torch.zeros_like(draw)
    return torch.where(draw < share, 2 * draw / share - 1, torch.zeros_like(draw))
