"""Make tests/golden/tiny.edgefs: a real bundle of a network so small that it can be committed.

    python tests/support/tiny.py

It is made by the product's own road, from fixed values and rendered pictures, so the same versions give the same bytes.
"""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

import torch
from places import GOLDEN
from textures import write_set
from torch import nn

from edgefs.backbones import BACKBONES, Backbone
from edgefs.backbones.weights import state_digest
from edgefs.pipelines.adapt import adapt
from edgefs.pipelines.export import export
from edgefs.settings.adapt import AdaptSettings

SIZE = 32


def tiny_backbone(_weights: str | None = None) -> Backbone:
    """Three convolutions with seeded values."""
    state = torch.get_rng_state()
    torch.manual_seed(7)
    network = nn.Sequential(
        nn.Sequential(nn.Conv2d(3, 8, 3, 2, 1), nn.ReLU()),
        nn.Sequential(nn.Conv2d(8, 16, 3, 2, 1), nn.ReLU()),
        nn.Sequential(nn.Conv2d(16, 24, 3, 2, 1), nn.ReLU()),
    ).eval()
    torch.set_rng_state(state)
    return Backbone("tiny", network, SIZE, "seeded for tests", state_digest(network))


def make(out: Path) -> Path:
    """Adapt on eight pictures of each kind and export."""
    BACKBONES["tiny"] = tiny_backbone
    folder = Path(tempfile.mkdtemp())
    try:
        data = write_set(folder / "textures", 16)
        settings = AdaptSettings(backbone="tiny", shots=8, name="textures", use_cache=False)
        adapt(data, folder / "run", settings)
        export(folder / "run", out, use_cache=False)
    finally:
        del BACKBONES["tiny"]
        shutil.rmtree(folder)
    return out


if __name__ == "__main__":
    print(make(GOLDEN).stat().st_size, "bytes")
