"""The support as the frozen part of a network sees it, in every view that it is trained in.

The first views are the symmetries that a gallery holds; the others, for training alone, are cut out and lit a little
differently: a camera is never mounted the same way twice, nor does a lamp burn alike.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812 - its usual name
from numpy.typing import NDArray
from torch import Tensor

from edgefs.data import Sample
from edgefs.embedding.network import EmbeddingNetwork
from edgefs.methods.finetune.cutting import Bank, CutNetwork
from edgefs.progress import Progress
from edgefs_runtime.images.preprocess import SYMMETRIES, Preprocess

VARIANTS = 3  # of each symmetry, the plain one included
_CROP, _LIGHT = 0.15, 0.2  # largest share cut away; largest change of brightness and of contrast
_MOST_BYTES = 2_000_000_000  # of what is remembered
_BATCH = 16  # images


def remember(
    samples: Sequence[Sample],
    cut: CutNetwork,
    network: EmbeddingNetwork,
    preprocess: Preprocess,
    symmetries: tuple[str, ...],
    variants: int,
    device: torch.device,
    seed: int,
    progress: Progress,
) -> tuple[Bank, int]:
    """All views of each image, and their number W: row `i·W + w` is view w of image i.

    Views 0 to V - 1 are the symmetries, those behind them the same again, changed.

    Args:
        samples: n images.
        cut: whose frozen part looks at them.
        network: whose normalisation applies.
        preprocess: from file to network input.
        symmetries: V - 1 of them, beside the image itself.
        variants: of each symmetry; fewer where memory would not hold them.
        device: where the frozen part runs; what it says is kept in the computer's own memory.
        seed: picks the changes.
        progress: called with (images done, images in all).
    """
    names = ("", *symmetries)
    banks: list[Bank] = []
    for number, sample in enumerate(samples):
        pixels = np.stack([SYMMETRIES[name](preprocess(sample.path)) for name in names])
        views = _views(pixels, variants, np.random.default_rng((seed, number)))
        banks.append(_look(views, cut, network, device))
        if number == 0:
            variants = _affordable(banks[0], len(samples), variants)
            banks[0] = Bank(
                tuple(t[: variants * len(names)] for t in banks[0].crossing), banks[0].early[: variants * len(names)]
            )
        progress(number + 1, len(samples))
    return Bank.joined(banks), variants * len(names)


def _views(pixels: NDArray[np.uint8], variants: int, rng: np.random.Generator) -> Tensor:
    """float32 `[variants·V,3,H,W]`, values 0 to 255, of uint8 `[V,H,W,3]`."""
    plain = torch.from_numpy(np.ascontiguousarray(pixels)).permute(0, 3, 1, 2).float()
    return torch.cat([plain, *(_changed(plain, rng) for _ in range(variants - 1))])


def _changed(pixels: Tensor, rng: np.random.Generator) -> Tensor:
    """Each image cropped and lit anew, rounded as a camera would."""
    n = len(pixels)
    side = 1 - _CROP * rng.random(n)
    theta = np.zeros((n, 2, 3))
    theta[:, 0, 0] = theta[:, 1, 1] = side
    theta[:, :, 2] = (1 - side)[:, None] * rng.uniform(-1, 1, (n, 2))
    grid = F.affine_grid(torch.from_numpy(theta).float(), list(pixels.shape), align_corners=False)
    cropped = F.grid_sample(pixels, grid, padding_mode="reflection", align_corners=False)
    brightness, contrast = (torch.from_numpy(1 + _LIGHT * rng.uniform(-1, 1, (n, 1, 1, 1))).float() for _ in range(2))
    mean = cropped.mean((1, 2, 3), keepdim=True)
    return ((cropped - mean) * contrast + mean * brightness).round().clamp(0, 255)


def _look(views: Tensor, cut: CutNetwork, network: EmbeddingNetwork, device: torch.device) -> Bank:
    banks = []
    for chunk in torch.split(views, _BATCH):
        normalised = network.normalised(chunk.permute(0, 2, 3, 1).to(device))
        bank = cut.remember(normalised)
        banks.append(Bank(tuple(tensor.cpu() for tensor in bank.crossing), bank.early.cpu()))
    return Bank.joined(banks)


def _affordable(of_one: Bank, images: int, variants: int) -> int:
    size = sum(tensor.nbytes for tensor in (of_one.early, *of_one.crossing))
    return max(1, min(variants, int(variants * _MOST_BYTES / (size * images))))
