"""What `nano` is trained on: rendered views, and what the teacher says about them.

- `labelled`: render the images of one round, cut random views out of them and let the teacher describe each view.
- `Teacher`: torchvision's MobileNetV2, which sees a view at 224 px; the student will see the same view at 128 px.
- `Views`: the result, which fits in memory.
"""

from __future__ import annotations

import itertools
import multiprocessing
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from edgefs.backbones.nano import NANO_MEAN, NANO_SIZE, NANO_STD
from edgefs.render.training import render_training_image

TEACHER_SIZE = 224  # pixels
TEACHER_BLOCKS = (3, 6, 10, 13, 17, 18)  # of MobileNetV2's features
# For each stage of the student: side of its maps, and the teacher's blocks that it predicts.
STAGES = ((32, (3,)), (16, (6, 10)), (8, (13, 17)), (4, (18,)))
CHUNK = 50  # images a worker renders at a time
CHANNELS = {3: 24, 6: 32, 10: 64, 13: 96, 17: 320, 18: 1280}


Task = tuple[tuple[int, int, int], int, int]  # seed, number of images, their size in pixels


@dataclass(frozen=True)
class Recipe:
    """What the images of a round are."""

    images: int = 3000  # rendered afresh in every round
    views: int = 2  # random crops of each image
    render_size: int = 192  # pixels
    seed: int = 0


@dataclass(frozen=True)
class Views:
    """Views with the teacher's description: uint8 `[N,3,128,128]`, maps float16 `[N,C,S,S]` of each stage, pooled."""

    images: Tensor
    maps: tuple[Tensor, ...]
    pooled: Tensor  # float16 [N, 2 * 1816]: average and maximum of every block


class Teacher(nn.Module):
    """MobileNetV2 with batch norm folded in; standardises what it says by its first views."""

    def __init__(self, weights: Path | None) -> None:
        super().__init__()
        from torchvision.models import mobilenet_v2

        network = mobilenet_v2(weights=None if weights else "IMAGENET1K_V1")
        if weights:
            network.load_state_dict(torch.load(weights, map_location="cpu", weights_only=True))
        self.blocks = network.features.eval()
        _fold_batch_norm(self.blocks)
        self.requires_grad_(False)

    def forward(self, images: Tensor) -> tuple[list[Tensor], Tensor]:
        """Normalised images `[N,3,224,224]` to one map per student stage and the pooled vectors `[N,3632]`."""
        maps, found = images, {}
        for index, block in enumerate(self.blocks):
            maps = block(maps)
            if index in TEACHER_BLOCKS:
                found[index] = maps.float()
        stages = [torch.cat([_resized(found[index], side) for index in blocks], 1) for side, blocks in STAGES]
        return stages, torch.cat([pooled(found[index]) for index in TEACHER_BLOCKS], 1)


def labelled(recipe: Recipe, number: int, teacher: Teacher, workers: int, device: torch.device) -> Views:
    """Render, cut and describe the views of one round; round -1 is the held-out set of 256 images.

    With no workers the images are rendered in this process.
    """
    crop = torch.Generator().manual_seed(recipe.seed * 7919 + number)
    parts = []
    for rendered in _rendered(_tasks(recipe, number), workers):
        for _ in range(recipe.views):
            parts.append(_described(_cut(torch.from_numpy(rendered), crop), teacher, device))
    maps = tuple(torch.cat(stage) for stage in zip(*(part.maps for part in parts), strict=True))
    return Views(torch.cat([part.images for part in parts]), maps, torch.cat([part.pooled for part in parts]))


def _tasks(recipe: Recipe, number: int) -> list[Task]:
    count = recipe.images if number >= 0 else min(256, recipe.images)
    return [
        ((recipe.seed, number + 1, first), min(CHUNK, count - first), recipe.render_size)
        for first in range(0, count, CHUNK)
    ]


def _rendered(tasks: list[Task], workers: int) -> Iterator[NDArray[np.uint8]]:
    if not workers:
        yield from map(_render_chunk, tasks)
        return
    with multiprocessing.get_context("spawn").Pool(workers) as pool:
        yield from pool.imap(_render_chunk, tasks)


def _render_chunk(task: Task) -> NDArray[np.uint8]:
    seed, count, size = task
    rng = np.random.default_rng(seed)
    return np.stack([render_training_image(rng, size) for _ in range(count)])


@torch.no_grad()
def _described(large: Tensor, teacher: Teacher, device: torch.device) -> Views:
    """Views of uint8 `[N,3,224,224]` as the student sees them, with what the teacher says."""
    with torch.autocast(device.type, torch.bfloat16, enabled=device.type == "cuda"):
        stages, vectors = teacher(normalised(large.to(device)))
    maps = tuple(stage.half().cpu() for stage in stages)
    return Views(_shrunk(large, NANO_SIZE), maps, vectors.half().cpu())


def _cut(rendered: Tensor, crop: torch.Generator) -> Tensor:
    """Random square crops of uint8 `[N,H,H,3]`, turned, mirrored and brought to uint8 `[N,3,224,224]`."""
    views = []
    for image in rendered.permute(0, 3, 1, 2):
        zoom, x, y, turn, mirror, gain, shift = torch.rand(7, generator=crop).tolist()
        side = round(image.shape[-1] * (0.5 + 0.5 * zoom))
        left, top = int(x * (image.shape[-1] - side + 1)), int(y * (image.shape[-1] - side + 1))
        view = torch.rot90(image[:, top : top + side, left : left + side], int(turn * 4), (1, 2))
        view = _shrunk((view.flip(2) if mirror < 0.5 else view)[None], TEACHER_SIZE).float()
        mean = view.mean()
        view = (view - mean) * (0.6 + 0.9 * gain) + mean + (shift - 0.5) * 60  # contrast and brightness
        views.append(view.clamp(0, 255).to(torch.uint8))
    return torch.cat(views)


def _shrunk(images: Tensor, side: int) -> Tensor:
    """Antialiased bilinear resize of uint8 `[N,3,H,W]`, as the runtime does it."""
    resized = F.interpolate(images.float(), (side, side), mode="bilinear", antialias=True)
    return resized.round().clamp(0, 255).to(torch.uint8)


def normalised(images: Tensor) -> Tensor:
    """uint8 `[N,3,H,W]` to float32 with ImageNet's mean and deviation taken out."""
    mean = torch.tensor(NANO_MEAN, device=images.device).view(3, 1, 1)
    std = torch.tensor(NANO_STD, device=images.device).view(3, 1, 1)
    return ((images.float() / 255 - mean) / std).contiguous(memory_format=torch.channels_last)


def _resized(maps: Tensor, side: int) -> Tensor:
    return F.interpolate(maps, (side, side), mode="bilinear", antialias=True)


def pooled(maps: Tensor) -> Tensor:
    """Average and maximum over all places of maps `[N,C,H,W]`: `[N,2C]`."""
    return torch.cat([maps.mean((2, 3)), maps.amax((2, 3))], 1)


def _fold_batch_norm(module: nn.Module) -> None:
    """Fold every batch norm into the convolution before it: the teacher runs twice as fast on a CPU."""
    names = list(module._modules)
    for name in names:
        _fold_batch_norm(module.get_submodule(name))
    for first, second in itertools.pairwise(names):
        convolution, norm = module.get_submodule(first), module.get_submodule(second)
        if isinstance(convolution, nn.Conv2d) and isinstance(norm, nn.BatchNorm2d):
            module.add_module(first, fuse_conv_bn_eval(convolution, norm))
            module.add_module(second, nn.Identity())
