"""What a large network says of a view: its maps at the student's resolutions, and its embedding."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from edgefs.backbones import Backbone, Stage
from edgefs.distilling.views import resized
from edgefs.embedding.network import EmbeddingNetwork, EmbeddingPlan, stages_of
from edgefs_runtime.base.errors import WeightsError

_STAGES = 8  # of the teacher, at most
_FINEST = 4  # stride; earlier maps see edges and little else, and are large
_LARGEST_MAP = 16  # pixels; what lies within one of them is compared as their mean
_MOST_CHANNELS = 320  # of a stage's maps; more are mixed to so many, or they would fill the memory


@dataclass(frozen=True)
class Level:
    """A stage of the student, and those of the teacher's that it learns.

    Attributes:
        tap: the student's stage.
        channels: of its maps.
        side: at which the maps are compared.
        taught_by: the teacher's stages of about the same resolution.
    """

    tap: str
    channels: int
    side: int
    taught_by: tuple[Stage, ...]


def levels_of(teacher: Backbone, teacher_size: int, student: Sequence[Stage], size: int) -> tuple[Level, ...]:
    """Each of the teacher's stages goes to the last of the student's whose stride is nearest to its own.

    Args:
        teacher: a convolutional network.
        teacher_size: height and width of what it sees, pixels.
        student: its stages.
        size: the same of what the student sees.

    Raises:
        WeightsError: the teacher has no convolutional stages, or none at this size.
    """
    taught: dict[str, list[Stage]] = {}
    for stage in stages_of(teacher, (teacher_size, teacher_size), _STAGES):
        stride = teacher_size / stage.side
        if stride >= _FINEST:
            nearest = min(reversed(student), key=lambda own: abs(math.log2(size / own.side / stride)))
            taught.setdefault(nearest.name, []).append(stage)
    if not taught:
        raise WeightsError(f"{teacher.name} has no stages coarse enough to teach at {teacher_size} pixels")
    return tuple(
        Level(own.name, own.channels, min(own.side, _LARGEST_MAP), tuple(taught[own.name]))
        for own in student
        if own.name in taught
    )


class Teacher(nn.Module):
    """A frozen network, its batch norm folded into its convolutions.

    Args:
        backbone: the network; its weights are changed.
        levels: what it is asked for.
        size: height and width of what it sees, pixels.
    """

    def __init__(self, backbone: Backbone, levels: Sequence[Level], size: int) -> None:
        super().__init__()
        _fold_batch_norm(backbone.network)
        stages = [stage for level in levels for stage in level.taught_by]
        plan = EmbeddingPlan(
            (size, size), tuple(stage.name for stage in stages), tuple(stage.channels for stage in stages)
        )
        self.network = EmbeddingNetwork(backbone, plan).requires_grad_(False)
        self.size, self.levels = size, tuple(levels)
        generator = torch.Generator().manual_seed(0)
        for stage in stages:
            if stage.channels > _MOST_CHANNELS:
                mixed = torch.linalg.qr(torch.randn(stage.channels, _MOST_CHANNELS, generator=generator)).Q
                self.register_buffer(_mix(stage), mixed)
        self.train(False)

    @property
    def width(self) -> int:
        """Numbers of its embedding."""
        return self.network.plan.width

    def channels(self, level: Level) -> int:
        """Number of channels of the maps of one level."""
        return sum(min(stage.channels, _MOST_CHANNELS) for stage in level.taught_by)

    @torch.no_grad()
    def forward(self, views: Tensor) -> tuple[list[Tensor], Tensor]:
        """Views uint8 `[N,3,size,size]` to maps `[N,C,S,S]` of each level, and the embedding `[N,width]`."""
        maps = self.network.stages(self.network.normalised(views.permute(0, 2, 3, 1)))
        found = [
            torch.cat(
                [self._mixed(stage, resized(maps[stage.name].float(), level.side)) for stage in level.taught_by], 1
            )
            for level in self.levels
        ]
        return found, self.network.joined(maps).float()

    def _mixed(self, stage: Stage, maps: Tensor) -> Tensor:
        if stage.channels <= _MOST_CHANNELS:
            return maps
        return torch.einsum("nchw,cd->ndhw", maps, self.get_buffer(_mix(stage)))


def _mix(stage: Stage) -> str:
    return f"mix_{stage.name.replace('.', '_')}"


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
