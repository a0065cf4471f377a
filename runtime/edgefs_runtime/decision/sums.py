"""Sums of a large gallery's rows that come out the same, bit by bit, in whatever order rows came and went.

Floating-point sums depend on their order, so that one can't take a row out of them again. These are of whole numbers:
each coordinate is rounded to a step that the largest of all sets, at most 17 bits of it, so that sums of products of
half a million rows are below 2⁵³ and a product of matrices in float64 makes no error whatever BLAS does (the idea of
exact accumulation: Kulisch 1971). What rounding takes away is 10⁻⁹ of the rows' own scatter (ADR 23).
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

_EXACT = 53  # bits of a whole number in float64
_MOST_BITS = 17
_DIRECTION_BITS = 44  # of a coordinate of a unit row: 2¹⁸ of them fit into 63 bits
_AT_ONCE = 512  # rows that are rounded together: in float64 their directions add up without an error


class Grid(NamedTuple):
    """The whole numbers that coordinates are rounded to.

    Attributes:
        exponent: no coordinate is above 2 to the power of it.
        bits: of the largest number.
    """

    exponent: int
    bits: int

    @property
    def step(self) -> float:
        """What the number 1 stands for: a power of two."""
        return math.ldexp(1.0, self.exponent - self.bits)

    def rounded(self, rows: NDArray[np.float32]) -> NDArray[np.float64]:
        """Rows `[n,D]` as whole numbers."""
        return np.asarray(np.rint(rows.astype(np.float64) * (1 / self.step)))


def grid_of(peak: float, rows: int) -> Grid:
    """The grid for so many rows, none with a coordinate above `peak`; a function of what is there and nothing else.

    Every fourth power of two will do, so that a new row rarely asks for another grid.
    """
    exponent = 4 * math.ceil(math.log2(max(peak, 2.0**-100)) / 4)
    return Grid(exponent, min(_MOST_BITS, (_EXACT - max(1, rows).bit_length()) // 2))


@dataclass(frozen=True)
class Sums:
    """Sums over the rows of all classes.

    Attributes:
        grid: what the rows are rounded to.
        peak: the largest coordinate of all, without its sign.
        counts: int64 `[C]`, rows of each class.
        rows: int64 `[C,D]`, sums of the rounded rows of each class.
        products: float64 `[D,D]`, whole numbers: the sum of xxᵀ over all rounded rows.
        directions: int64 `[C,D]`, sums of the unit rows of each class, in units of 2⁻⁴⁴.
    """

    grid: Grid
    peak: float
    counts: NDArray[np.int64]
    rows: NDArray[np.int64]
    products: NDArray[np.float64]
    directions: NDArray[np.int64]

    @property
    def means(self) -> NDArray[np.float64]:
        """Means of the classes, `[C,D]`."""
        return np.asarray(self.rows * self.grid.step / self.counts[:, None])

    @property
    def scatter(self) -> NDArray[np.float64]:
        """Σxxᵀ `[D,D]`, about the origin."""
        return self.products * self.grid.step**2

    @property
    def unit_sums(self) -> NDArray[np.float64]:
        """Sums of the unit rows of each class, `[C,D]`."""
        return np.asarray(self.directions * 2.0**-_DIRECTION_BITS)

    def changed(
        self,
        peak: float,
        added: tuple[NDArray[np.float32], NDArray[np.int64]],
        removed: tuple[NDArray[np.float32], NDArray[np.int64]],
    ) -> Sums | None:
        """The sums with some rows `[n,D]` of classes `[n]` and without others; None where they need another grid.

        Args:
            peak: of all rows that are there then.
            added: rows and their classes.
            removed: as well.
        """
        if grid_of(peak, int(self.counts.sum()) + len(added[0]) - len(removed[0])) != self.grid:
            return None
        total = Running(self.grid, len(self.counts), self.rows.shape[1])
        total.take(self)
        total.add(*added)
        total.add(*removed, sign=-1)
        return dataclasses.replace(total.sums(), peak=peak)

    def of_classes(self, places: NDArray[np.int64], n_classes: int) -> Sums:
        """The same sums where the class at each place is now at another of so many; −1 for one that is gone."""
        there = places >= 0
        counts = np.zeros(n_classes, np.int64)
        rows, directions = np.zeros((2, n_classes, self.rows.shape[1]), np.int64)
        counts[places[there]] = self.counts[there]
        rows[places[there]], directions[places[there]] = self.rows[there], self.directions[there]
        return dataclasses.replace(self, counts=counts, rows=rows, directions=directions)


class Running:
    """Adds up rows as they come."""

    def __init__(self, grid: Grid, n_classes: int, dim: int) -> None:
        self._grid = grid
        self._counts = np.zeros(n_classes, np.int64)
        self._rows, self._directions = np.zeros((2, n_classes, dim), np.int64)
        self._products = np.zeros((dim, dim))
        self._peak = 0.0

    def take(self, sums: Sums) -> None:
        """Add other sums, of the same grid and classes."""
        self._counts += sums.counts
        self._rows += sums.rows
        self._directions += sums.directions
        self._products += sums.products

    def add(self, rows: NDArray[np.float32], classes: NDArray[np.int64], sign: int = 1) -> None:
        """Add rows `[n,D]` of some classes `[n]`, or take them out (`sign` −1)."""
        for start in range(0, len(rows), _AT_ONCE):
            some, of = rows[start : start + _AT_ONCE], classes[start : start + _AT_ONCE]
            self._peak = max(self._peak, peak_of(some))
            whole = self._grid.rounded(some)
            self._products += sign * (whole.T @ whole)
            units = some.astype(np.float64)
            lengths = np.sqrt(np.einsum("nd,nd->n", units, units))
            units *= (2.0**_DIRECTION_BITS / np.maximum(lengths, 1e-12))[:, None]
            np.rint(units, out=units)
            starts = np.flatnonzero(np.diff(of, prepend=-1))  # runs of one class
            np.add.at(self._counts, of[starts], sign * np.diff(starts, append=len(of)))
            for total, rows_of in ((self._rows, whole), (self._directions, units)):
                np.add.at(total, of[starts], sign * np.add.reduceat(rows_of, starts, axis=0).astype(np.int64))

    def sums(self) -> Sums:
        """What was added."""
        return Sums(self._grid, self._peak, self._counts, self._rows, self._products, self._directions)


def sums_of(
    blocks: Callable[[], Iterable[tuple[NDArray[np.float32], NDArray[np.int64]]]], rows: int, n_classes: int, dim: int
) -> Sums:
    """Sums over blocks of rows `[n,D]` with their classes `[n]`.

    Args:
        blocks: gives them, once more where the first of them led to a wrong grid.
        rows: how many there are.
        n_classes: C.
        dim: D.
    """
    first = next(iter(blocks()))[0]
    grid = grid_of(peak_of(first), rows)
    while True:
        total = Running(grid, n_classes, dim)
        for some, classes in blocks():
            total.add(some, classes)
        found = total.sums()
        grid = grid_of(found.peak, rows)
        if grid == found.grid:
            return found


def peak_of(rows: NDArray[np.float32]) -> float:
    """The largest coordinate of rows, without its sign."""
    return float(max(rows.max(initial=0.0), -rows.min(initial=0.0)))
