"""A backbone: two convolutions with seeded values, or with those of a file."""

from __future__ import annotations

import torch
from torch import nn

from edgefs.backbones.weights import Backbone, from_file, state_digest

SIZE = 32  # pixels


def load_toybone(weights: str | None) -> Backbone:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(5)
        network = nn.Sequential(
            nn.Sequential(nn.Conv2d(3, 8, 3, 2, 1), nn.ReLU()),
            nn.Sequential(nn.Conv2d(8, 16, 3, 2, 1), nn.ReLU()),
        ).eval()
    return from_file(Backbone("toybone", network, SIZE, "seeded", state_digest(network)), weights)
