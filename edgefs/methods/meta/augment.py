"""Changes the images of an episode a little, so that few drawings or parts stand for many.

torchvision's transforms take no generator and change all images of a batch alike (ADR 17).
"""

from __future__ import annotations

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor

_TURN = 0.26  # radians, 15 degrees
_STRETCH = 0.15
_SHEAR = 0.2
_SHIFT = 0.05  # of the side


def warp(images: Tensor, generator: torch.Generator) -> Tensor:
    """Turn, stretch, shear and shift each of the images uint8 `[n,H,W,3]`; what comes in at the border repeats it."""
    n = len(images)

    def draw(limit: float) -> Tensor:
        return (2 * torch.rand(n, generator=generator) - 1) * limit

    turn, shear = draw(_TURN), draw(_SHEAR)
    wide, high = 1 + draw(_STRETCH), 1 + draw(_STRETCH)
    cos, sin = turn.cos(), turn.sin()
    # Turn times shear times stretch, and the shift in the units of `affine_grid`, where a side is 2.
    rows = [
        torch.stack([cos * wide, (shear * cos - sin) * high, 2 * draw(_SHIFT)], dim=1),
        torch.stack([sin * wide, (shear * sin + cos) * high, 2 * draw(_SHIFT)], dim=1),
    ]
    maps = images.permute(0, 3, 1, 2).float()  # [n,3,H,W]
    grid = F.affine_grid(torch.stack(rows, dim=1), list(maps.shape), align_corners=False)
    warped = F.grid_sample(maps, grid, padding_mode="border", align_corners=False)
    return warped.round().to(torch.uint8).permute(0, 2, 3, 1)
