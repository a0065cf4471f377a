"""Where a gallery's rows lie: in memory, on the disk until somebody asks, or both."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cached_property
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from edgefs_runtime.decision.sums import Sums, peak_of, sums_of

_BLOCK = 1024  # images

Rows = NDArray[np.float32]
Places = NDArray[np.int64]


class Held(Protocol):
    """Rows `[N,W]` that lie somewhere else."""

    @property
    def shape(self) -> tuple[int, int]:
        """N and W."""
        ...

    def load(self) -> Rows:
        """All of them, float32 `[N,W]`."""
        ...

    def take(self, places: Places) -> Rows:
        """Some of them, float32 `[n,W]`."""
        ...

    def blocks(self) -> Iterator[Rows]:
        """All of them in their order, some at a time."""
        ...


class Fit(NamedTuple):
    """What decides by a gallery, as it is kept.

    Attributes:
        key: what it depends on beside the gallery: what the bundle wants, and what computed it.
        head: arrays that answer, by name.
        numbers: what answers are worth: plain numbers.
        arrays: and arrays.
    """

    key: str
    head: Mapping[str, NDArray[Any]]
    numbers: Mapping[str, Any]
    arrays: Mapping[str, NDArray[Any]]


class Extended:
    """Rows that lie somewhere, and some more behind them."""

    def __init__(self, held: Rows | Held, further: Rows) -> None:
        self._held, self._further = held, further

    @property
    def shape(self) -> tuple[int, int]:
        """N and W."""
        return self._held.shape[0] + len(self._further), self._held.shape[1]

    def load(self) -> Rows:
        """All of them, float32 `[N,W]`."""
        return self._all

    def take(self, places: Places) -> Rows:
        """Some of them, float32 `[n,W]`."""
        first, found = self._held.shape[0], np.empty((len(places), self.shape[1]), np.float32)
        before = places < first
        own = places[before]
        found[before] = self._held[own] if isinstance(self._held, np.ndarray) else self._held.take(own)
        found[~before] = self._further[places[~before] - first]
        return found

    def blocks(self) -> Iterator[Rows]:
        """All of them in their order, some at a time."""
        yield from _blocks_of(self._held)
        yield from _blocks_of(self._further)

    @cached_property
    def _all(self) -> Rows:
        return np.concatenate([self._held if isinstance(self._held, np.ndarray) else self._held.load(), self._further])


def sums_of_held(held: Rows | Held, classes: Places, views: int, n_classes: int) -> Sums:
    """The sums of all rows, whose images are of some classes `[N]`."""
    dim = held.shape[1] // views

    def blocks() -> Iterator[tuple[Rows, Places]]:
        start = 0
        for rows in _blocks_of(held):
            yield rows.reshape(-1, dim), np.repeat(classes[start : start + len(rows)], views)
            start += len(rows)

    return sums_of(blocks, len(classes) * views, n_classes, dim)


def sums_with(sums: Sums, vectors: Rows, classes: Places, views: int) -> Sums | None:
    """Sums with the rows of further images `[k,W]` of some classes `[k]`; None where they need another grid."""
    rows = vectors.reshape(-1, vectors.shape[1] // views)
    none = np.empty((0, rows.shape[1]), np.float32), np.empty(0, np.int64)
    return sums.changed(max(sums.peak, peak_of(rows)), (rows, np.repeat(classes, views)), none)


def _blocks_of(held: Rows | Held) -> Iterator[Rows]:
    if not isinstance(held, np.ndarray):
        yield from held.blocks()
        return
    for start in range(0, len(held), _BLOCK):
        yield held[start : start + _BLOCK]
