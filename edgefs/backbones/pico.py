"""`pico`: a network for pictures of 28 pixels, such as digits or cut-out symbols. It comes untrained.

It serves methods that train every layer (`domain`); what it embeds before is of little use.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from edgefs.backbones.weights import Backbone, from_file, state_digest

PICO_SIZE = 28  # pixels, height and width; any from 16 on works
PICO_MEAN = (0.5, 0.5, 0.5)
PICO_STD = (0.5, 0.5, 0.5)
_WIDTHS = (24, 48, 96, 96)


class Pico(nn.Module):
    """Four convolutions to 96 maps of 7 x 7, 0.14 million weights and 6 million multiply-adds."""

    def __init__(self) -> None:
        super().__init__()
        a, b, c, d = _WIDTHS
        self.features = nn.Sequential(
            _Block(3, a, 5, halved=True),  # 14 x 14
            _Block(a, b, 3, halved=True),  # 7 x 7
            _Block(b, c, 3, halved=False),
            _Block(c, d, 3, halved=False),
        )

    def forward(self, images: Tensor) -> Tensor:
        """Normalised float images `[N,3,H,W]` to the average-pooled last block `[N,96]`."""
        features: Tensor = self.features(images)
        return features.mean((2, 3))


class _Block(nn.Module):
    """Convolution, pooling where the side is halved, batch norm, ReLU: pooled first, the rest costs a quarter."""

    def __init__(self, channels_in: int, channels_out: int, kernel: int, *, halved: bool) -> None:
        super().__init__()
        self.convolution = nn.Conv2d(channels_in, channels_out, kernel, padding=kernel // 2, bias=False)
        self.pool = nn.MaxPool2d(2) if halved else nn.Identity()
        self.norm = nn.BatchNorm2d(channels_out)
        self.relu = nn.ReLU()

    def forward(self, maps: Tensor) -> Tensor:
        """Maps `[N,channels_in,H,W]` to `[N,channels_out,H',W']`."""
        normed: Tensor = self.relu(self.norm(self.pool(self.convolution(maps))))
        return normed


def untrained_pico() -> Pico:
    """`Pico` with seeded values, in evaluation mode."""
    state = torch.get_rng_state()
    torch.manual_seed(0)
    network = Pico().eval()
    torch.set_rng_state(state)
    return network


def load_pico(weights: str | None) -> Backbone:
    """`pico` with the weights of a file; without one with random values, which a method has to train.

    Raises:
        WeightsError: the file can't be read, or doesn't fit.
    """
    network, origin = untrained_pico(), "random weights: for methods that train every layer"
    digest = state_digest(network)
    return from_file(Backbone("pico", network, PICO_SIZE, origin, digest, PICO_MEAN, PICO_STD, trained=False), weights)
