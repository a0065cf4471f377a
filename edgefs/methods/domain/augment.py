"""What is done to an image before it is learned from.

- `strongly`: moved a little, lit otherwise, or inverted, the same for source and target. Inverting and stretching the
  grey values is what Self-ensembling for visual domain adaptation (French et al. 2018, arXiv:1706.05208) does for
  digits: which of two things is brighter is the lamp's doing.
- `in_style_of`: a source image with the target's amplitudes under its own phases, as in FACT (Xu et al. 2021,
  arXiv:2105.11120) and Fourier domain adaptation (Yang & Soatto 2020, arXiv:2004.05498): shapes stay, texture and
  colour become the target's; and now and then a target image shines through (FixBi, Na et al. 2021, arXiv:2011.09230).

torchvision's transforms change all images of a batch alike (ADR 17).
"""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional

_TURN = 15.0  # degrees, at most
_ZOOM = 1.3  # times, larger or smaller
_ASPECT = 1.15  # width to height
_SHEAR = 0.2
_MOVE = 0.15  # of half the image
_LITTLE_MOVE = 0.07  # of half the image
_STYLED = 0.7  # of the source images
_SHINES = 0.3  # of the source images, through which a target image shines
_THROUGH = 0.5  # of it, at most
_GREY = 127.5  # the middle of 0 to 255


def strongly(images: Tensor, *, invert: bool) -> Tensor:
    """Move, scale, shear, change contrast and brightness, and invert every second image.

    Args:
        images: `[N,H,W,3]`, 0 to 255.
        invert: whether a negative is still of its class.

    Returns:
        float `[N,H,W,3]`, which may go beyond 0 to 255.
    """
    n, device = len(images), images.device
    angle = math.radians(_TURN) * _uniform(n, device)
    zoom = torch.exp(math.log(_ZOOM) * _uniform(n, device))
    aspect = torch.exp(math.log(_ASPECT) * _uniform(n, device))
    shear = _SHEAR * _uniform(n, device)
    cos, sin, zero = angle.cos(), angle.sin(), torch.zeros(n, device=device)
    turn = torch.stack([torch.stack([cos, -sin], 1), torch.stack([sin, cos], 1)], 1)  # [N,2,2]
    scale = torch.stack([torch.stack([zoom * aspect, shear], 1), torch.stack([zero, zoom / aspect], 1)], 1)
    moved = _resampled(images, turn @ scale, _MOVE * _uniform(2 * n, device).view(n, 2, 1))
    sign = torch.where(torch.rand(n, 1, 1, 1, device=device) < (0.5 if invert else 0.0), -1.0, 1.0)
    gain = 0.5 + torch.rand(n, 1, 1, 1, device=device)
    shift = _GREY * (torch.rand(n, 1, 1, 1, device=device) - 0.5)
    return (moved - _GREY) * sign * gain + _GREY + shift


def weakly(images: Tensor) -> Tensor:
    """Move images by a pixel or so: `[N,H,W,3]`, 0 to 255, to float of the same shape."""
    n = len(images)
    same = torch.eye(2, device=images.device).expand(n, 2, 2)
    return _resampled(images, same, _LITTLE_MOVE * _uniform(2 * n, images.device).view(n, 2, 1))


def inverted(images: Tensor) -> Tensor:
    """Negatives."""
    return 2 * _GREY - images


def in_style_of(target: Tensor, source: Tensor) -> Tensor:
    """Source images `[N,H,W,3]` that look somewhat like target images, which are drawn for each anew.

    Args:
        target: `[M,H,W,3]`, 0 to 255.
        source: whose classes stay.
    """
    n, device = len(source), source.device
    style = target[torch.randint(len(target), (n,), device=device)]
    ours, theirs = (torch.fft.rfft2(images.float() - _GREY, dim=(1, 2)) for images in (source, style))
    share = _sometimes(n, _STYLED, device) * torch.rand(n, 1, 1, 1, device=device)
    amplitude = (1 - share) * ours.abs() + share * theirs.abs()
    styled = torch.fft.irfft2(torch.polar(amplitude, ours.angle()), s=source.shape[1:3], dim=(1, 2)) + _GREY
    through = _sometimes(n, _SHINES, device) * _THROUGH * torch.rand(n, 1, 1, 1, device=device)
    mixed: Tensor = (1 - through) * styled + through * style
    return mixed


def _sometimes(n: int, share: float, device: torch.device) -> Tensor:
    return (torch.rand(n, 1, 1, 1, device=device) < share).float()


def _uniform(n: int, device: torch.device) -> Tensor:
    return 2 * torch.rand(n, device=device) - 1


def _resampled(images: Tensor, matrix: Tensor, move: Tensor) -> Tensor:
    maps = images.permute(0, 3, 1, 2).float()
    grid = functional.affine_grid(torch.cat([matrix, move], 2), list(maps.shape), align_corners=False)
    moved = functional.grid_sample(maps, grid, padding_mode="border", align_corners=False)
    rows: Tensor = moved.permute(0, 2, 3, 1)
    return rows
