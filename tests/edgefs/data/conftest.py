"""Small folders of real image files, each picture different from every other."""

import itertools

import numpy as np
import pytest
from PIL import Image


@pytest.fixture
def make(tmp_path):
    """`make("good/a.png", "bad/b.png")` writes the files below `tmp_path`; `make(a=3)` three of class a."""
    numbers = itertools.count()

    def write(*names, **classes):
        names += tuple(f"{label}/{label}{i:03}.png" for label, n in classes.items() for i in range(n))
        for name in names:
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            pixels = np.random.default_rng(next(numbers)).integers(0, 256, (12, 16), np.uint8)
            Image.fromarray(pixels).save(path)
        return tmp_path

    return write
