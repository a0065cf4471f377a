"""Small networks that learn from larger ones (`edgefs distill`), in sizes by name.

Plain 3 x 3 convolutions, batch norm, ReLU and additions, which onnxruntime runs fast in fp32 and in int8; no depthwise
convolutions, no squeeze-excite, no hard-swish.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

STUDENT_SIZE = 128  # pixels, height and width of the input; any multiple of 32 works
# Channels of the first block and of the four resolutions after it. Multiply-adds at 128 x 128 and weights:
STUDENTS: dict[str, tuple[int, ...]] = {
    "nano-s": (8, 16, 32, 48, 96),  # 18 million, 0.25 million
    "nano": (16, 32, 64, 96, 192),  # 71 million, 1.0 million
    "nano-l": (24, 56, 112, 176, 352),  # 225 million, 3.3 million
}


class Student(nn.Module):
    """Eight blocks from a 128 px image to maps of 4 x 4.

    Any block's output can be tapped by its name, `features.0` to `features.7`, with
    `torchvision.models.feature_extraction.create_feature_extractor`.

    Args:
        size: a key of `STUDENTS`.
    """

    def __init__(self, size: str) -> None:
        super().__init__()
        first, a, b, c, d = STUDENTS[size]
        self.features = nn.Sequential(
            _convolution(3, first, stride=2),  # 64 x 64 for a 128 px input
            _convolution(first, a, stride=2),  # 32 x 32
            _convolution(a, a),
            Residual(a, b, stride=2),  # 16 x 16
            Residual(b, b),
            Residual(b, c, stride=2),  # 8 x 8
            Residual(c, c),
            Residual(c, d, stride=2),  # 4 x 4
        )

    def forward(self, images: Tensor) -> Tensor:
        """Normalised float images `[N,3,H,W]` to the average-pooled last block, `[N,192]` of `nano`."""
        features: Tensor = self.features(images)
        return features.mean((2, 3))


class Residual(nn.Module):
    """Two 3 x 3 convolutions beside a shortcut (He et al. 2016, arXiv:1512.03385), added before the last ReLU."""

    def __init__(self, channels_in: int, channels_out: int, stride: int = 1) -> None:
        super().__init__()
        self.body = nn.Sequential(
            *_normed(channels_in, channels_out, 3, stride), nn.ReLU(), *_normed(channels_out, channels_out, 3, 1)
        )
        same = channels_in == channels_out and stride == 1
        self.shortcut = nn.Identity() if same else nn.Sequential(*_normed(channels_in, channels_out, 1, stride))
        self.relu = nn.ReLU()

    def forward(self, maps: Tensor) -> Tensor:
        """Maps `[N,channels_in,H,W]` to `[N,channels_out,H/stride,W/stride]`."""
        added: Tensor = self.relu(self.body(maps) + self.shortcut(maps))
        return added


def untrained_student(size: str, seed: int = 0) -> Student:
    """A student with seeded values, in evaluation mode."""
    state = torch.get_rng_state()
    torch.manual_seed(seed)
    network = Student(size).eval()
    torch.set_rng_state(state)
    return network


def _convolution(channels_in: int, channels_out: int, stride: int = 1) -> nn.Sequential:
    return nn.Sequential(*_normed(channels_in, channels_out, 3, stride), nn.ReLU())


def _normed(channels_in: int, channels_out: int, kernel: int, stride: int) -> tuple[nn.Module, nn.Module]:
    convolution = nn.Conv2d(channels_in, channels_out, kernel, stride, kernel // 2, bias=False)
    return convolution, nn.BatchNorm2d(channels_out)
