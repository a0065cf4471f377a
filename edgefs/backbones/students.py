"""Small networks that learn from larger ones (`edgefs distill`), in sizes by name.

Plain 3 x 3 convolutions where the maps are large, and inverted residuals where they are small, with batch norm and ReLU
alone: no squeeze-excite, no hard-swish. On a CPU that is where each is fast: a depthwise convolution over a large map
costs its memory traffic, which int8 saves little of (EfficientNetV2, Tan and Le 2021, arXiv:2104.00298).
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from edgefs.backbones.weights import Backbone, from_file, state_digest
from edgefs.settings.choices import STUDENT_SIZE

# Channels of the first block and of the four resolutions after it. Multiply-adds at 128 x 128 and weights:
STUDENTS: dict[str, tuple[int, ...]] = {
    "nano-s": (8, 16, 32, 64, 128),  # 19 million, 0.24 million
    "nano": (16, 32, 64, 128, 256),  # 72 million, 0.92 million
    "nano-l": (24, 56, 112, 224, 448),  # 211 million, 2.8 million
}


class Student(nn.Module):
    """Ten blocks from a 128 px image to maps of 4 x 4.

    Any block's output can be tapped by its name, `features.0` to `features.9`, with
    `torchvision.models.feature_extraction.create_feature_extractor`.

    Args:
        size: a key of `STUDENTS`.
    """

    def __init__(self, size: str) -> None:
        super().__init__()
        first, a, b, c, d = STUDENTS[size]
        self.features = nn.Sequential(
            nn.Sequential(*_normed(3, first, 3, stride=2), nn.ReLU()),  # 64 x 64 for a 128 px input
            nn.Sequential(*_normed(first, a, 3, stride=2), nn.ReLU()),  # 32 x 32
            nn.Sequential(*_normed(a, a, 3), nn.ReLU()),
            Inverted(a, b, stride=2, fused=True),  # 16 x 16
            Inverted(b, b, fused=True),
            Inverted(b, c, stride=2),  # 8 x 8
            Inverted(c, c),
            Inverted(c, c),
            Inverted(c, d, stride=2),  # 4 x 4
            Inverted(d, d),
        )

    def forward(self, images: Tensor) -> Tensor:
        """Normalised float images `[N,3,H,W]` to the average-pooled last block, `[N,256]` of `nano`."""
        features: Tensor = self.features(images)
        return features.mean((2, 3))


class TappedStudent(nn.Module):
    """The part of a student that some taps need, whose values it shares: images to a dict of the taps' maps.

    What torchvision's `create_feature_extractor` makes of any network, under the same names, without the two seconds
    that importing torchvision takes: a student is a plain chain.

    Args:
        student: the network.
        taps: names of blocks, in the order they are computed.
    """

    def __init__(self, student: Student, taps: Sequence[str]) -> None:
        super().__init__()
        self._taps = frozenset(taps)
        self.features = _up_to(student.features, "features", taps[-1])

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        """Normalised float images `[N,3,H,W]` to the maps `[N,C,H',W']` of each tap."""
        found: dict[str, Tensor] = {}
        self._follow(self.features, "features", images, found)
        return found

    def _follow(self, chain: nn.Sequential, path: str, maps: Tensor, found: dict[str, Tensor]) -> Tensor:
        for name, block in chain.named_children():
            place = f"{path}.{name}"
            maps = self._follow(block, place, maps, found) if type(block) is nn.Sequential else block(maps)
            if place in self._taps:
                found[place] = maps
        return maps


def _up_to(chain: nn.Sequential, path: str, last: str) -> nn.Sequential:
    """The blocks of a chain as far as one of them, which may lie in a chain of its own."""
    kept = nn.Sequential()
    for name, block in chain.named_children():
        place = f"{path}.{name}"
        kept.add_module(name, _up_to(block, place, last) if type(block) is nn.Sequential else block)
        if f"{last}.".startswith(f"{place}."):
            break
    return kept


class Inverted(nn.Module):
    """A block that widens, filters and narrows, beside a shortcut (Sandler et al. 2018, arXiv:1801.04381).

    Args:
        channels_in: C of the input.
        channels_out: C of the output.
        stride: of the filter; there is a shortcut where neither size nor channels change.
        fused: widen and filter in one plain convolution, to twice the channels; else a depthwise one of three times.
    """

    def __init__(self, channels_in: int, channels_out: int, stride: int = 1, *, fused: bool = False) -> None:
        super().__init__()
        wide = channels_in * (2 if fused else 3)
        filtered = (
            _normed(channels_in, wide, 3, stride)
            if fused
            else (*_normed(channels_in, wide, 1), nn.ReLU(), *_normed(wide, wide, 3, stride, groups=wide))
        )
        self.body = nn.Sequential(*filtered, nn.ReLU(), *_normed(wide, channels_out, 1))
        self.added = channels_in == channels_out and stride == 1

    def forward(self, maps: Tensor) -> Tensor:
        """Maps `[N,channels_in,H,W]` to `[N,channels_out,H/stride,W/stride]`."""
        found: Tensor = self.body(maps)
        return maps + found if self.added else found


def untrained_student(size: str, seed: int = 0) -> Student:
    """A student with seeded values, in evaluation mode."""
    state = torch.get_rng_state()
    torch.manual_seed(seed)
    network = Student(size).eval()
    torch.set_rng_state(state)
    return network


def load_student(size: str, weights: str | None) -> Backbone:
    """A student with the weights of a file; without one it has random values and has to be distilled.

    Raises:
        WeightsError: the file can't be read, or doesn't fit.
    """
    network, origin = untrained_student(size), "random weights: `edgefs distill` trains it"
    return from_file(Backbone(size, network, STUDENT_SIZE, origin, state_digest(network), trained=False), weights)


def _normed(
    channels_in: int, channels_out: int, kernel: int, stride: int = 1, groups: int = 1
) -> tuple[nn.Module, nn.Module]:
    convolution = nn.Conv2d(channels_in, channels_out, kernel, stride, kernel // 2, groups=groups, bias=False)
    return convolution, nn.BatchNorm2d(channels_out)
