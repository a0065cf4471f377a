"""What every head offers."""

from __future__ import annotations

from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray


class Answer(NamedTuple):
    """What a head says of N rows.

    Attributes:
        scores: float64 `[N,C]`, classes in the snapshot's order; larger is nearer.
        strangeness: float64 `[N]`, nonconformity to all classes; larger is stranger.
    """

    scores: NDArray[np.float64]
    strangeness: NDArray[np.float64]


class LeftOutScores(NamedTuple):
    """What the head would say of its own rows if their part were not in the gallery.

    Attributes:
        scores: float64 `[n,C]`; minus infinity where the row's part was all there was of the class.
        strangeness: float64 `[n]`; NaN for the rows whose class was gone.
        rows: places `[n]` of the images in the gallery; None for all of them.
    """

    scores: NDArray[np.float64]
    strangeness: NDArray[np.float64]
    rows: NDArray[np.int64] | None = None

    def at(self, places: NDArray[np.int64]) -> LeftOutScores:
        """Of all images, those at some places."""
        return LeftOutScores(self.scores[places], self.strangeness[places], places)

    def of(self, each: NDArray[Any]) -> NDArray[Any]:
        """What a value of every image of the gallery `[N]` is for these, `[n]`."""
        return each if self.rows is None else each[self.rows]


class Head(Protocol):
    """Scores of C classes, and how strange a row looks to all of them."""

    default_temperature: float  # divides the scores where leave-one-out can't tell a better one

    def scores(self, vectors: NDArray[np.float32]) -> NDArray[np.float64]:
        """The scores alone, `[N,C]`."""
        ...

    def answer(self, vectors: NDArray[np.float32]) -> Answer:
        """Scores and strangeness of rows `[N,D]`, at one reading of what the head holds."""
        ...

    def left_out(self, rows: NDArray[np.int64] | None = None) -> LeftOutScores:
        """Leave one part out, exactly, of the images at some places; None for those that thresholds are read off.

        These are all images, and of a large gallery a sample (`Snapshot.judged`).
        """
        ...
