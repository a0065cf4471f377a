"""Where the pictures come from: a folder of unlabelled images, or the renderer."""

from __future__ import annotations

import multiprocessing
import multiprocessing.pool
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from edgefs.data import Sample
from edgefs.render import render_training_images
from edgefs_runtime.images.preprocess import Preprocess

CHUNK = 50  # pictures that are handed on at a time
_HELD_OUT = 256  # pictures, at most
_THREADS = 2  # Pillow decodes outside the interpreter's lock
_MOST_KEPT = 1 << 30  # bytes of decoded images that stay in memory

Chunk = NDArray[np.uint8]  # [n,S,S,3]


class Pictures(Protocol):
    """A source of square pictures, in chunks uint8 `[n,S,S,3]`."""

    count: int  # of an epoch
    kept: int  # never drawn

    def draw(self, epoch: int, part: tuple[int, int]) -> Iterator[Chunk]:
        """Pictures of an epoch, or one process's part of them: (number, of how many)."""
        ...

    def held_out(self) -> Iterator[Chunk]:
        """Pictures that are never drawn."""
        ...

    def close(self) -> None:
        """End the processes that work on pictures."""
        ...


class Rendered:
    """Pictures that are rendered anew in every epoch.

    Args:
        count: of an epoch.
        side: height and width, pixels.
        seed: together with epoch and number it determines a chunk.
        workers: processes; with none it is done in this one.
        ahead: render the next epoch's while this one's are learned from, where a GPU learns and the processor is free.
    """

    def __init__(self, count: int, side: int, seed: int, workers: int, *, ahead: bool = False) -> None:
        self.count, self.kept = count, min(_HELD_OUT, count)
        self._side, self._seed, self._workers, self._ahead = side, seed, workers, ahead
        self._pool: multiprocessing.pool.Pool | None = None
        self._begun: dict[tuple[int, int, int], Iterator[Chunk]] = {}

    def draw(self, epoch: int, part: tuple[int, int]) -> Iterator[Chunk]:
        """Pictures of an epoch, rendered while the epoch before is trained on."""
        number, parts = part
        count = self.count // parts
        chunks = self._begun.pop((epoch, count, number), None) or self._render(epoch, count, number)
        if self._ahead and self._workers:
            self._begun[epoch + 1, count, number] = self._render(epoch + 1, count, number)
        yield from chunks

    def held_out(self) -> Iterator[Chunk]:
        """Pictures of epoch 0, which no training draws."""
        yield from self._render(0, self.kept, 0)

    def close(self) -> None:
        """End the processes that render."""
        if self._pool is not None:
            self._pool.terminate()
            self._pool.join()
            self._pool = None

    def _render(self, epoch: int, count: int, part: int) -> Iterator[Chunk]:
        tasks = [
            ((self._seed, epoch, part, first), min(CHUNK, count - first), self._side)
            for first in range(0, count, CHUNK)
        ]
        if not self._workers:
            return map(render_training_images, tasks)
        if self._pool is None:
            self._pool = multiprocessing.get_context("spawn").Pool(self._workers)
        return self._pool.imap(render_training_images, tasks)


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
        self.kept = min(max(len(samples) // 10, 1), _HELD_OUT)
        self._held_out = [samples[number].path for number in order[: self.kept]]
        self._paths = [samples[number].path for number in order[self.kept :]]
        self._preprocess, self._seed = preprocess, seed
        self._decoded: dict[Path, Chunk] = {}
        self.count = min(count, len(self._paths))

    def draw(self, epoch: int, part: tuple[int, int]) -> Iterator[Chunk]:
        """Pictures of an epoch, drawn from the archive's images."""
        number, parts = part
        chosen = np.random.default_rng((self._seed, epoch)).permutation(len(self._paths))[: self.count]
        yield from self._read([self._paths[position] for position in chosen[number::parts]])

    def held_out(self) -> Iterator[Chunk]:
        """Pictures of images that no epoch draws."""
        yield from self._read(self._held_out)

    def close(self) -> None:
        """Do nothing: no process renders."""

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
