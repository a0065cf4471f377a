"""Random views of pictures, which teacher and student see alike.

That both see the same pixels, however strongly they were changed, is what makes a long training worth its time (Beyer
et al. 2022, arXiv:2106.05237: a good teacher is patient and consistent), and what lets pictures be laid over each
other: an image between two images has no label, but the teacher has an answer.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor

_SMALLEST = 0.4  # of the picture's side
_ASPECT = 0.2  # logarithm of the largest
_TURNED = 0.3  # share that is turned by more than quarters
_OVERLAID, _PATCHED = 0.2, 0.2  # shares that show another picture too
_BLURRED, _NOISY = 0.15, 0.25
_GREY, _TINTED = 0.2, 0.2


def cut(pictures: Tensor, side: int, generator: torch.Generator) -> Tensor:
    """One random crop of each picture, turned, mirrored, mixed with another, blurred, lit and noisy at random.

    Args:
        pictures: uint8 `[N,S,S,3]`.
        side: of the views, pixels; not much less than S, since nothing is antialiased.
        generator: of every random choice, on the pictures' device.

    Returns:
        uint8 `[N,3,side,side]`.
    """
    views = _cropped(pictures.permute(0, 3, 1, 2).float(), side, generator)
    views = _mixed(views, generator)
    kind = _random(views, 1, generator)[0].flatten()
    views = _blurred(views, kind < _BLURRED, generator)
    views = _lit(_coloured(views, generator), generator)
    views = _noisy(views, (kind >= _BLURRED) & (kind < _BLURRED + _NOISY), generator)
    return views.round().clamp(0, 255).to(torch.uint8)


def resized(images: Tensor, side: int) -> Tensor:
    """Antialiased bilinear resize of float `[N,C,H,W]`, as the runtime does it."""
    if images.shape[-2:] == (side, side):
        return images
    return F.interpolate(images, (side, side), mode="bilinear", antialias=True)


def _cropped(images: Tensor, side: int, generator: torch.Generator) -> Tensor:
    zoom, aspect, x, y, quarter, turned, turn, mirror = _random(images, 8, generator, flat=True)
    scale = _SMALLEST + (1 - _SMALLEST) * zoom
    stretch = torch.exp(_ASPECT * (2 * aspect - 1))
    width, height = (scale * stretch).clamp_max(1), (scale / stretch).clamp_max(1)
    angle = (quarter * 4).floor() * (math.pi / 2) + (turned < _TURNED) * (turn - 0.5) * (math.pi / 2)
    cos, sin, sign = angle.cos(), angle.sin(), (mirror < 0.5) * 2.0 - 1
    theta = torch.stack(
        (
            torch.stack((sign * width * cos, -width * sin, (2 * x - 1) * (1 - width)), 1),
            torch.stack((sign * height * sin, height * cos, (2 * y - 1) * (1 - height)), 1),
        ),
        1,
    )
    grid = F.affine_grid(theta, [len(images), 3, side, side], align_corners=False)
    return F.grid_sample(images, grid, padding_mode="reflection", align_corners=False)


def _mixed(views: Tensor, generator: torch.Generator) -> Tensor:
    """Lay another view over some, and a rectangle of another into some (Zhang et al. 2018; Yun et al. 2019)."""
    kind, weight, width, height, x, y = _random(views, 6, generator)
    other = views[torch.randperm(len(views), generator=generator, device=views.device)]
    axis = torch.linspace(0, 1, views.shape[-1], device=views.device)
    inside = (_between(axis, x, width).view(-1, 1, 1, len(axis))) & (
        _between(axis, y, height).view(-1, 1, len(axis), 1)
    )
    share = torch.where(kind < _OVERLAID, 0.5 * weight, 0.0)
    share = torch.where((kind >= _OVERLAID) & (kind < _OVERLAID + _PATCHED) & inside, 1.0, share)
    return torch.lerp(views, other, share)


def _between(axis: Tensor, start: Tensor, length: Tensor) -> Tensor:
    """`[N,len(axis)]`: within a stretch that may reach over the end."""
    first = start.flatten()[:, None] - 0.2
    return (axis >= first) & (axis <= first + length.flatten()[:, None])


def _blurred(views: Tensor, chosen: Tensor, generator: torch.Generator) -> Tensor:
    """Put some views out of focus: through fewer pixels, as many for all of a batch."""
    side = views.shape[-1]
    strength = float(torch.rand((), generator=generator, device=views.device))
    rows = chosen.nonzero().flatten()
    if len(rows):
        small = resized(views[rows], max(16, round(side * (0.9 - 0.6 * strength))))
        views[rows] = resized(small, side)
    return views


def _coloured(views: Tensor, generator: torch.Generator) -> Tensor:
    """Show some views in grey, some under a tinted light."""
    kind, red, green, blue = _random(views, 4, generator)
    grey = views.mean(1, keepdim=True)
    tint = 0.6 + 0.8 * torch.cat((red, green, blue), 1)
    tinted = torch.where((kind >= _GREY) & (kind < _GREY + _TINTED), views * tint, views)
    return torch.where(kind < _GREY, grey, tinted)


def _lit(views: Tensor, generator: torch.Generator) -> Tensor:
    """Contrast, brightness and tone curve."""
    gain, shift, gamma = _random(views, 3, generator)
    mean = views.mean((1, 2, 3), keepdim=True)
    views = (views - mean) * (0.5 + 1.0 * gain) + mean + (shift - 0.5) * 80
    lit: Tensor = 255 * (views.clamp(0, 255) / 255) ** (0.6 + 0.9 * gamma)
    return lit


def _noisy(views: Tensor, chosen: Tensor, generator: torch.Generator) -> Tensor:
    """Add a sensor's noise to some views."""
    rows = chosen.nonzero().flatten()
    strength = _random(views, 1, generator)[0][rows]
    noise = torch.randn(views[rows].shape, generator=generator, device=views.device)
    views[rows] += 12 * strength * noise
    return views


def _random(views: Tensor, count: int, generator: torch.Generator, flat: bool = False) -> Tensor:
    """`count` numbers of each view from 0 to 1, `[count,N,1,1,1]`, or `[count,N]`."""
    drawn = torch.rand(count, len(views), generator=generator, device=views.device)
    return drawn if flat else drawn[..., None, None, None]
