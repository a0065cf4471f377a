"""The network that is exported: normalisation, a backbone tapped at several stages, pooling, projection.

    plan = EmbeddingPlan.all_stages(backbone)
    network = EmbeddingNetwork(backbone, plan)
    network(images)                              # uint8 [N,H,W,3] -> float32 [N,D]

Everything that is arithmetic on pixels happens inside, so that the camera feeds bytes and nothing can be done twice or
in another order.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from edgefs.backbones import Backbone, Stage, find_stages
from edgefs.backbones.stages import MAX_STAGES
from edgefs.backbones.students import Student, TappedStudent
from edgefs.embedding.projection import Projection
from edgefs_runtime.base.errors import WeightsError
from edgefs_runtime.base.wording import first_line


def _average(maps: Tensor) -> Tensor:
    return maps.mean((2, 3))


def _maximum(maps: Tensor) -> Tensor:
    # A maximum alone takes an eighth of the time by pooling; its gradient would be another where values are equal.
    return maps.amax((2, 3)) if torch.is_grad_enabled() else nn.functional.adaptive_max_pool2d(maps, 1).flatten(1)


POOLINGS: dict[str, Callable[[Tensor], Tensor]] = {"avg": _average, "max": _maximum}


def stages_of(backbone: Backbone, size: tuple[int, int], limit: int = MAX_STAGES) -> tuple[Stage, ...]:
    """The last stages of a backbone at an input of (height, width) pixels.

    Raises:
        WeightsError: the network has no convolutional stages (a transformer), or can't be run at this size.
    """
    if any("attention" in type(module).__name__.lower() for module in backbone.network.modules()):
        raise WeightsError(f"{backbone.name} is a transformer, which has no convolutional stages to tap")
    try:
        stages = find_stages(backbone.network, size, limit)
    except RuntimeError as error:
        raise WeightsError(
            f"{backbone.name} can't be run at {size[1]} x {size[0]} pixels ({first_line(error)}); "
            f"it was trained at {backbone.size}"
        ) from error
    if not stages:
        raise WeightsError(f"{backbone.name} has no convolutional stages to tap; choose a convolutional network")
    return stages


@dataclass(frozen=True)
class EmbeddingPlan:
    """Which stages of a backbone are embedded, and how their maps become vectors.

    Attributes:
        size: (height, width) of the input, pixels.
        taps: module names of the stages, in the order they are computed.
        channels: of each tap.
        poolings: keys of `POOLINGS`; each gives every tap a block.
        projected: numbers that all blocks together are projected to; 0 leaves them as they are.
        unit: whether each block is brought to unit length; without it the numbers are what a classifier's last layer
            sees.
    """

    size: tuple[int, int]
    taps: tuple[str, ...]
    channels: tuple[int, ...]
    poolings: tuple[str, ...] = ("avg", "max")
    projected: int = 0
    unit: bool = True

    @classmethod
    def all_stages(cls, backbone: Backbone, size: tuple[int, int] | None = None) -> EmbeddingPlan:
        """Every stage that `find_stages` names, averaged and maximised.

        Raises:
            WeightsError: the network has no convolutional stages (a transformer), or can't be run at this size.
        """
        size = size or (backbone.size, backbone.size)
        stages = stages_of(backbone, size)
        return cls(size, tuple(stage.name for stage in stages), tuple(stage.channels for stage in stages))

    @property
    def dim(self) -> int:
        """D, length of the embedding."""
        return self.projected or self.width

    @property
    def width(self) -> int:
        """F, length of all blocks together."""
        return sum(self.channels) * len(self.poolings)

    @property
    def blocks(self) -> list[tuple[str, str, slice]]:
        """(tap, pooling, its slice of the F numbers), in their order: tap by tap, pooling by pooling."""
        found, start = [], 0
        for tap, channels in zip(self.taps, self.channels, strict=True):
            for pooling in self.poolings:
                found.append((tap, pooling, slice(start, start + channels)))
                start += channels
        return found

    def narrowed(self, taps: Sequence[str], poolings: Sequence[str]) -> EmbeddingPlan:
        """The plan of some of these taps and poolings; their blocks are the same numbers as here."""
        kept = [(tap, channels) for tap, channels in zip(self.taps, self.channels, strict=True) if tap in taps]
        return dataclasses.replace(
            self,
            taps=tuple(tap for tap, _ in kept),
            channels=tuple(channels for _, channels in kept),
            poolings=tuple(pooling for pooling in self.poolings if pooling in poolings),
        )

    def to_json(self) -> dict[str, Any]:
        """The fields as plain JSON values."""
        return {
            key: list(value) if isinstance(value, tuple) else value for key, value in dataclasses.asdict(self).items()
        }

    @classmethod
    def from_json(cls, fields: Mapping[str, Any]) -> EmbeddingPlan:
        """Read what `to_json` wrote."""
        settings: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in fields.items()}
        return cls(**settings)


class EmbeddingNetwork(nn.Module):
    """uint8 RGB `[N,H,W,3]` to float32 `[N,D]`: a unit-length block for each tap and pooling, projected to unit length.

    Args:
        backbone: pretrained.
        plan: what is tapped.
        projection: what the plan's blocks are projected by; without it, zeros that a state dict is to fill.
    """

    def __init__(self, backbone: Backbone, plan: EmbeddingPlan, projection: Projection | None = None) -> None:
        super().__init__()
        self.plan = plan
        self.stages = _tapped(backbone.network, plan.taps)
        scale = 1 / (255 * torch.tensor(backbone.std, dtype=torch.float64))
        offset = -torch.tensor(backbone.mean, dtype=torch.float64) / torch.tensor(backbone.std, dtype=torch.float64)
        self.register_buffer("scale", scale.float().view(1, 3, 1, 1))
        self.register_buffer("offset", offset.float().view(1, 3, 1, 1))
        if plan.projected:
            projection = projection or Projection.zeros(plan.width, plan.projected)
            self.register_buffer("projection", torch.from_numpy(projection.matrix))
            self.register_buffer("shift", torch.from_numpy(projection.shift))
        self.eval()

    def forward(self, images: Tensor) -> Tensor:
        """Embed uint8 `[N,H,W,3]`."""
        joined = self.joined(self.stages(self.normalised(images)))
        if not self.plan.projected:
            return joined
        return _unit(torch.addmm(self.shift, joined, self.projection.float()))  # type: ignore[arg-type]

    def joined(self, maps: Mapping[str, Tensor]) -> Tensor:
        """Maps `[N,C,H',W']` of each tap to the blocks of all, `[N,F]`, not projected."""
        blocks = [POOLINGS[pooling](maps[tap]) for tap in self.plan.taps for pooling in self.plan.poolings]
        return torch.cat([_unit(block) for block in blocks] if self.plan.unit else blocks, dim=1)

    def normalised(self, images: Tensor) -> Tensor:
        """uint8 `[N,H,W,3]` to what the backbone was trained on, float32 `[N,3,H,W]`."""
        # Cast first: TensorRT lets uint8 feed nothing but a cast. On a CPU either order takes the same time.
        return images.float().permute(0, 3, 1, 2) * self.scale + self.offset  # type: ignore[operator]


def _unit(rows: Tensor) -> Tensor:
    # Not F.normalize: the expansion it writes out is an operator more for each block in ONNX.
    unit: Tensor = rows / rows.norm(dim=1, keepdim=True).clamp_min(1e-12)
    return unit


def _tapped(network: nn.Module, taps: Sequence[str]) -> nn.Module:
    """The part of a network that the taps need, as a module that maps `[N,3,H,W]` to a dict of their outputs."""
    if isinstance(network, Student):
        return TappedStudent(network, taps).eval()
    from torchvision.models.feature_extraction import create_feature_extractor

    extractor: nn.Module = create_feature_extractor(network, list(taps), suppress_diff_warning=True)
    return extractor.eval()
