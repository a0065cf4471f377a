"""Where the pictures come from: a folder of unlabelled images, or the renderer."""

from __future__ import annotations

import multiprocessing
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from edgefs.data import Sample
from edgefs.render import render_training_image
from edgefs_runtime.preprocess import Preprocess

CHUNK = 50  # pictures that are handed on at a time
_HELD_OUT = 256  # pictures, at most
_THREADS = 2  # Pillow decodes outside the interpreter's lock
_MOST_KEPT = 1 << 30  # bytes of decoded images that stay in memory

Chunk = NDArray[np.uint8]  # [n,S,S,3]


class Pictures(Protocol):
    """A source of square pictures, in chunks uint8 `[n,S,S,3]`."""

    count: int  # of an epoch

    def draw(self, epoch: int, part: tuple[int, int]) -> Iterator[Chunk]:
        """The epoch's pictures, of several processes' the `part` (number, of how many)."""
        ...

    def held_out(self) -> Iterator[Chunk]:
        """Pictures that are never drawn."""
        ...


class Rendered:
    """Pictures that are rendered anew in every epoch.

    Args:
        count: of an epoch.
        side: height and width, pixels.
        seed: together with epoch and number it determines a chunk.
        workers: processes; with none it is done in this one.
    """

    def __init__(self, count: int, side: int, seed: int, workers: int) -> None:
        self.count = count
        self._side, self._seed, self._workers = side, seed, workers

    def draw(self, epoch: int, part: tuple[int, int]) -> Iterator[Chunk]:
        """See `Pictures`."""
        number, parts = part
        yield from self._render(epoch, self.count // parts, number)

    def held_out(self) -> Iterator[Chunk]:
        """See `Pictures`."""
        yield from self._render(0, min(_HELD_OUT, self.count), 0)

    def _render(self, epoch: int, count: int, part: int) -> Iterator[Chunk]:
        tasks = [
            ((self._seed, epoch, part, first), min(CHUNK, count - first), self._side)
            for first in range(0, count, CHUNK)
        ]
        if not self._workers:
            yield from map(_render_chunk, tasks)
            return
        with multiprocessing.get_context("spawn").Pool(self._workers) as pool:
            yield from pool.imap(_render_chunk, tasks)


def _render_chunk(task: tuple[tuple[int, ...], int, int]) -> Chunk:
    seed, count, side = task
    rng = np.random.default_rng(seed)
    return np.stack([render_training_image(rng, side) for _ in range(count)])


class Archive:
    """A folder's images; a tenth is held out.

    Args:
        samples: that can be read, each content once.
        count: of an epoch, at most; of a larger archive every epoch draws other ones.
        preprocess: from file to a picture, larger than what the student sees.
        seed: picks what is held out, and the order.
    """

    def __init__(self, samples: Sequence[Sample], count: int, preprocess: Preprocess, seed: int) -> None:
        order = np.random.default_rng((seed, 0)).permutation(len(samples))
        kept = min(max(len(samples) // 10, 1), _HELD_OUT)
        self._held_out = [samples[number].path for number in order[:kept]]
        self._paths = [samples[number].path for number in order[kept:]]
        self._preprocess, self._seed = preprocess, seed
        self._decoded: dict[Path, Chunk] = {}
        self.count = min(count, len(self._paths))

    def draw(self, epoch: int, part: tuple[int, int]) -> Iterator[Chunk]:
        """See `Pictures`."""
        number, parts = part
        chosen = np.random.default_rng((self._seed, epoch)).permutation(len(self._paths))[: self.count]
        yield from self._read([self._paths[position] for position in chosen[number::parts]])

    def held_out(self) -> Iterator[Chunk]:
        """See `Pictures`."""
        yield from self._read(self._held_out)

    def _read(self, paths: Sequence[Path]) -> Iterator[Chunk]:
        with ThreadPoolExecutor(_THREADS) as pool:
            for first in range(0, len(paths), CHUNK):
                yield np.stack(list(pool.map(self._picture, paths[first : first + CHUNK])))

    def _picture(self, path: Path) -> Chunk:
        known = self._decoded.get(path)
        if known is not None:
            return known
        picture = self._preprocess(path)
        if len(self._decoded) * picture.nbytes < _MOST_KEPT:
            self._decoded[path] = picture
        return picture
