"""Random views of a picture, which teacher and student see alike.

That both see the same pixels, however strongly they were changed, is what makes a long training worth its time (Beyer
et al. 2022, arXiv:2106.05237: a good teacher is patient and consistent).
"""

from __future__ import annotations

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor

_SMALLEST = 0.4  # of the picture's side


def cut(pictures: Tensor, side: int, generator: torch.Generator) -> Tensor:
    """One random square crop of each picture: turned by quarters, mirrored, lit, blurred and noisy at random.

    Args:
        pictures: uint8 `[N,S,S,3]`.
        side: of the views, pixels.
        generator: of every random choice.

    Returns:
        uint8 `[N,3,side,side]`.
    """
    return torch.cat([_view(picture, side, generator) for picture in pictures.permute(0, 3, 1, 2)])


def _view(picture: Tensor, side: int, generator: torch.Generator) -> Tensor:
    zoom, x, y, turn, mirror, gain, shift, gamma, kind, strength = torch.rand(10, generator=generator).tolist()
    full = picture.shape[-1]
    cropped = round(full * (_SMALLEST + (1 - _SMALLEST) * zoom))
    left, top = int(x * (full - cropped + 1)), int(y * (full - cropped + 1))
    view = torch.rot90(picture[:, top : top + cropped, left : left + cropped], int(turn * 4), (1, 2))
    view = (view.flip(2) if mirror < 0.5 else view)[None].float()
    if kind < 0.15:  # out of focus: through fewer pixels
        view = resized(view, max(16, round(side * (0.9 - 0.6 * strength))))
    view = resized(view, side)
    mean = view.mean()
    view = (view - mean) * (0.5 + 1.0 * gain) + mean + (shift - 0.5) * 80  # contrast and brightness
    view = 255 * (view.clamp(0, 255) / 255) ** (0.6 + 0.9 * gamma)
    if 0.15 <= kind < 0.4:  # a noisy sensor
        view = view + 12 * strength * torch.randn(view.shape, generator=generator)
    pixels: Tensor = view.round().clamp(0, 255).to(torch.uint8)
    return pixels


def resized(images: Tensor, side: int) -> Tensor:
    """Antialiased bilinear resize of float `[N,C,H,W]`, as the runtime does it."""
    if images.shape[-2:] == (side, side):
        return images
    return F.interpolate(images, (side, side), mode="bilinear", antialias=True)
