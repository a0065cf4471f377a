"""`conv4`: the four-block network that the few-shot papers measure on, for `--method meta` to train from nothing.

Vinyals et al. 2016 (arXiv:1606.04080), as Snell et al. 2017 (arXiv:1703.05175) use it: four times a 3 x 3 convolution
to 64 channels, batch norm, ReLU and 2 x 2 max-pooling, 28 pixels to 64 numbers. Pooling comes right after the
convolution here. Where batch norm's slopes are positive, as they start, the order does not change what the network
computes, and a step of training takes 0.6 of the time on a CPU.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from edgefs.backbones.weights import Backbone, from_file, state_digest

CONV4_SIZE = 28  # pixels; any size from 16 works
CONV4_TAP = "features.3"  # the last block; at 28 pixels its maps are of one pixel, so `find_stages` passes it over
CONV4_CHANNELS = 64
_MEAN = _STD = (0.5, 0.5, 0.5)  # values of 0 to 1 to values of -1 to 1


class Conv4(nn.Module):
    """Four blocks, 112,000 weights."""

    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Sequential(_Block(3), *(_Block(CONV4_CHANNELS) for _ in range(3)))

    def forward(self, images: Tensor) -> Tensor:
        """Normalised float images `[N,3,H,W]` to the average-pooled last block `[N,64]`."""
        maps: Tensor = self.features(images)
        return maps.mean((2, 3))


class _Block(nn.Module):
    """Maps `[N,C,H,W]` to `[N,64,H/2,W/2]`."""

    def __init__(self, channels_in: int) -> None:
        super().__init__()
        self.convolution = nn.Conv2d(channels_in, CONV4_CHANNELS, 3, padding=1, bias=False)
        self.pool = nn.MaxPool2d(2)
        self.norm = nn.BatchNorm2d(CONV4_CHANNELS)

    def forward(self, maps: Tensor) -> Tensor:
        pooled: Tensor = self.norm(self.pool(self.convolution(maps))).relu()
        return pooled


def conv4_from_seed(seed: int) -> Conv4:
    """Random values, the same ones for a seed; torch's own generator is left as it was."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return Conv4().eval()


def load_conv4(weights: str | None) -> Backbone:
    """`conv4` with the weights of a file; without one with random values, which a method has to train.

    Raises:
        WeightsError: the file can't be read, or doesn't fit.
    """
    network, origin = conv4_from_seed(0), "random values, to be trained"
    digest = state_digest(network)
    return from_file(Backbone("conv4", network, CONV4_SIZE, origin, digest, _MEAN, _STD, trained=False), weights)
