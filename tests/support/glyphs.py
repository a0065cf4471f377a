"""Small characters: as many classes as a test wants, each a pattern of its own, drawn anew each time."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image


def draw(character: int, number: int) -> np.ndarray:
    """uint8 `[28,28]`: dark strokes of one character on light ground, shifted and noisy."""
    pattern = np.random.default_rng(character).random((5, 5)) < 0.4
    pattern[character % 5, 2] = True  # none is empty
    rng = np.random.default_rng((character, number, 7))
    page = np.full((28, 28), 235.0)
    top, left = rng.integers(1, 7, 2)
    page[top : top + 20, left : left + 20][np.kron(pattern, np.ones((4, 4))) > 0] = rng.uniform(20, 70)
    return np.clip(page + rng.normal(0, 8, page.shape), 0, 255).astype(np.uint8)


def write_alphabet(folder: Path, first: int, characters: int, drawings: int = 8) -> Path:
    """`<folder>/character<n>/*.png`."""
    for character in range(first, first + characters):
        place = folder / f"character{character:03}"
        place.mkdir(parents=True)
        for number in range(drawings):
            Image.fromarray(draw(character, number)).save(place / f"{number:02}.png")
    return folder
