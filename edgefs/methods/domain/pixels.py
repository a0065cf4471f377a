"""Images of one domain in memory, as the network takes them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import torch
from torch import Tensor

from edgefs.data import Sample
from edgefs.data.splits.parts import draw_key
from edgefs.progress import Progress
from edgefs_runtime.images.preprocess import Preprocess

_MOST_BYTES = 1 << 30  # of one domain's pixels; of more images a seeded part is taken
_THREADS = 2


def within_memory(samples: Sequence[Sample], size: tuple[int, int], seed: int) -> tuple[Sample, ...]:
    """Images that fit in memory, as many as do, drawn by the seed and the images' content."""
    most = _MOST_BYTES // (3 * size[0] * size[1])
    if len(samples) <= most:
        return tuple(samples)
    return tuple(sorted(samples, key=lambda sample: draw_key(seed, "memory", sample.digest))[:most])


def load_pixels(samples: Sequence[Sample], preprocess: Preprocess, progress: Progress) -> Tensor:
    """uint8 `[N,H,W,3]` in the order of the samples."""
    height, width = preprocess.size
    pixels = np.empty((len(samples), height, width, 3), np.uint8)
    with ThreadPoolExecutor(_THREADS) as pool:
        for number, image in enumerate(pool.map(lambda sample: preprocess(sample.path), samples)):
            pixels[number] = image
            progress(number + 1, len(samples))
    return torch.from_numpy(pixels)


class Draws:
    """Positions without end: every image comes once before one comes twice, in an order of its own each time."""

    def __init__(self, positions: Sequence[int], generator: np.random.Generator) -> None:
        self._positions = np.asarray(positions, np.int64)
        self._generator = generator
        self._left: list[int] = []

    def take(self, n: int) -> list[int]:
        """The next n."""
        while len(self._left) < n:
            self._left += self._generator.permutation(self._positions).tolist()
        taken, self._left = self._left[:n], self._left[n:]
        return taken


class BalancedDraws:
    """Positions without end, equally many of every class: what a class is worth must not depend on how it was filed."""

    def __init__(self, classes: Sequence[int], generator: np.random.Generator) -> None:
        by_class = [np.flatnonzero(np.asarray(classes) == number) for number in sorted(set(classes))]
        self._draws = [Draws(positions.tolist(), generator) for positions in by_class]
        self._turns = Draws(range(len(by_class)), generator)

    def take(self, n: int) -> list[int]:
        """The next n."""
        return [self._draws[turn].take(1)[0] for turn in self._turns.take(n)]


def in_batches(pixels: Tensor, size: int) -> Iterator[Tensor]:
    """All of them, in order."""
    for start in range(0, len(pixels), size):
        yield pixels[start : start + size]
