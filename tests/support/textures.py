"""Small pictures of four kinds that any network can tell apart, and of which no two are alike."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

KINDS = ("good", "stripes", "dots", "checks")


def draw(kind: str, number: int, size: int = 48) -> np.ndarray:
    """uint8 RGB `[size,size,3]`, the same every time."""
    rng = np.random.default_rng((KINDS.index(kind), number))
    y, x = np.mgrid[0:size, 0:size].astype(np.float32)
    phase, step = rng.uniform(0, 6.28, 2), rng.uniform(5, 7)
    waves = {
        "good": np.zeros_like(x),
        "stripes": np.sign(np.sin(6.28 * x / step + phase[0])),
        "dots": np.where((x - 12 - 20 * phase[0] / 6.28) ** 2 + (y - 24) ** 2 < 80, 1.5, 0),
        "checks": np.sign(np.sin(6.28 * x / step + phase[0])) * np.sign(np.sin(6.28 * y / step + phase[1])),
    }
    grey = 120 + 45 * waves[kind] + rng.uniform(-15, 15) + rng.normal(0, 6, x.shape)
    colour = grey[:, :, None] * np.array([1.0, 0.6, 0.25] if kind == "checks" else [1.0, 0.97, 0.94])
    return np.clip(colour, 0, 255).astype(np.uint8)


def save(folder: Path, kind: str, number: int, size: int = 48) -> Path:
    """One picture as a PNG file in `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{kind}-{number:03}.png"
    Image.fromarray(draw(kind, number, size)).save(path)
    return path


def write_set(root: Path, per_kind: int, kinds: tuple[str, ...] = KINDS[:3], first: int = 0) -> Path:
    """`<root>/<kind>/*.png`, `per_kind` of each."""
    for kind in kinds:
        for number in range(first, first + per_kind):
            save(root / kind, kind, number)
    return root
