"""The heads of a large gallery: the same as the others by their formulas, fitted from its sums (`decision.sums`).

A row that is added or taken away costs what it costs to add it up, and a factorisation; thresholds come from the rows
that `decision.judged` chooses. What answers is a few arrays, so that it can be kept (`kept`, and the argument `kept`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cached_property
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from edgefs_runtime.decision.heads import blend, lda
from edgefs_runtime.decision.heads.base import Answer, LeftOutScores
from edgefs_runtime.decision.heads.gaussian import Distances, Matrix
from edgefs_runtime.decision.heads.lda import dots, products_with
from edgefs_runtime.decision.heads.pooled import Part, PooledGaussian, Single, fit_pooled
from edgefs_runtime.decision.heads.prototype import unit
from edgefs_runtime.decision.snapshot import Snapshot

Arrays = Mapping[str, NDArray[Any]]
Places = NDArray[np.int64]


@runtime_checkable
class Kept(Protocol):
    """A head of which a few arrays answer."""

    @property
    def kept(self) -> Arrays:
        """What answers, by name."""
        ...


class LdaOfMany:
    """`lda` of a large gallery.

    Args:
        snapshot: the gallery.
        shrinkage: as for `LdaHead`.
        kept: what was kept of the head of the same gallery; nothing is fitted then until rows are left out.
    """

    def __init__(self, snapshot: Snapshot, shrinkage: float = 0.5, kept: Arrays | None = None) -> None:
        self._snapshot, self._shrinkage = snapshot, shrinkage
        self._kept = dict(self._fitted() if kept is None else kept)

    @property
    def default_temperature(self) -> float:
        """As for `LdaHead`."""
        return lda.ALONE if self._snapshot.views == 1 else lda.ALONE_WITH_VIEWS

    @property
    def kept(self) -> Arrays:
        """What answers, by name."""
        return self._kept

    def scores(self, vectors: NDArray[np.float32]) -> Matrix:
        """Discriminants `[N,K]` of rows `[N,D]`."""
        return np.asarray(products_with(self._kept["weights"], vectors) - self._kept["offsets"], np.float64)

    def answer(self, vectors: NDArray[np.float32]) -> Answer:
        """Scores, and strangeness."""
        scores = LdaOfMany.scores(self, vectors)
        whole, background = (
            dots(white, white)
            for white in (
                products_with(self._kept[name], vectors).astype(np.float64) for name in ("factor", "background")
            )
        )
        return Answer(scores, whole - 2 * scores.max(axis=1) - lda.BACKGROUND * background)

    def left_out(self, rows: Places | None = None) -> LeftOutScores:
        """Left-out scores of the images at some places, by default of those that are judged."""
        return self._told(*self._asked(rows))

    def _told(self, rows: Places, found: Distances) -> LeftOutScores:
        classes, at = self._snapshot.classes[rows], np.arange(len(rows))
        error = np.broadcast_to(self._spread / self._images, found.classes.shape).copy()
        error[at, classes] = self._spread[classes] / np.maximum(self._images_left[rows], 1)
        distances = found.classes - error
        strangeness = distances.min(axis=1) - lda.BACKGROUND * found.background
        gone = np.isinf(found.classes[at, classes])
        return LeftOutScores(-0.5 * distances, np.where(gone, np.nan, strangeness), rows)

    def _asked(self, rows: Places | None) -> tuple[Places, Distances]:
        return self._judged if rows is None else (rows, left_out(self._model, self._snapshot, rows))

    def _fitted(self) -> Arrays:
        model = self._model
        offsets = 0.5 * (model.lengths - self._spread / self._images)
        names = ("weights", "factor", "background")
        arrays = dict(zip(names, (model.weights.T, model.factor, model.background), strict=True))
        return {name: np.ascontiguousarray(array, np.float32) for name, array in arrays.items()} | {"offsets": offsets}

    @property
    def _borrowed(self) -> float:
        return 0.0

    @cached_property
    def _model(self) -> PooledGaussian:
        return fit_pooled(self._snapshot.sums, self._shrinkage, self._borrowed)

    @cached_property
    def _judged(self) -> tuple[Places, Distances]:
        places = self._snapshot.judged
        return places, left_out(self._model, self._snapshot, places)

    @cached_property
    def _images(self) -> Places:
        return np.bincount(self._snapshot.classes)

    @cached_property
    def _images_left(self) -> Places:
        return np.asarray(
            self._images[self._snapshot.classes] - np.bincount(self._snapshot.parts)[self._snapshot.parts]
        )

    @cached_property
    def _spread(self) -> Matrix:
        """As in `LdaHead`, of the images that are judged."""
        places, found = self._judged
        classes = self._snapshot.classes[places]
        return lda.spread_of_classes(
            found.classes[np.arange(len(places)), classes], classes, self._images_left[places], len(self._images)
        )


class BlendOfMany(LdaOfMany):
    """`blend` of a large gallery.

    Args:
        snapshot: the gallery.
        shrinkage: as for `BlendHead`.
        regression: as for `BlendHead`.
        kept: as for `LdaOfMany`.
    """

    def __init__(
        self, snapshot: Snapshot, shrinkage: float = 0.5, regression: float = 8.0, kept: Arrays | None = None
    ) -> None:
        self._regression = regression
        super().__init__(snapshot, shrinkage, kept)

    @property
    def default_temperature(self) -> float:
        """As for `BlendHead`."""
        return blend.ALONE if self._snapshot.views == 1 else blend.ALONE_WITH_VIEWS

    def scores(self, vectors: NDArray[np.float32]) -> Matrix:
        """`[N,K]` of rows `[N,D]`."""
        kept = self._kept
        return np.asarray(products_with(kept["blended"], vectors) - kept["blended_offsets"], np.float64)

    def answer(self, vectors: NDArray[np.float32]) -> Answer:
        """Scores, and strangeness."""
        return Answer(self.scores(vectors), super().answer(vectors).strangeness)

    def left_out(self, rows: Places | None = None) -> LeftOutScores:
        """As for `LdaOfMany`; the shares and the scale are held."""
        rows, found = self._asked(rows)
        told = self._told(rows, found)
        images = np.broadcast_to(self._images, told.scores.shape).copy()
        images[np.arange(len(rows)), self._snapshot.classes[rows]] = self._images_left[rows]
        weighted = self._scale * np.sqrt(images) * found.regression
        return told._replace(scores=(1 - self._share) * told.scores + self._share * weighted)

    def _fitted(self) -> Arrays:
        arrays, model = dict(super()._fitted()), self._model
        regressed = self._scale * np.sqrt(self._images) * model.regression
        blended = (1 - self._share) * model.weights + self._share * regressed
        return {
            **arrays,
            "blended": np.ascontiguousarray(blended.T, np.float32),
            "blended_offsets": (1 - self._share) * arrays["offsets"],
        }

    @property
    def _borrowed(self) -> float:
        return blend.BORROWED / (len(self._snapshot.classes) / len(self._snapshot.labels)) ** 3

    @property
    def _share(self) -> float:
        weight = self._regression * float((self._images**-1.5).mean())
        return weight / (1 + weight)

    @cached_property
    def _scale(self) -> float:
        model, offsets = self._model, 0.5 * (self._model.lengths - self._spread / self._images)
        regressed = np.sqrt(self._images) * model.regression
        own = _spread_of(model.means, model.weights, -offsets)
        return own / max(_spread_of(model.means, regressed, np.zeros(len(offsets))), 1e-12)


class PrototypeOfMany:
    """`prototype` of a large gallery.

    Args:
        snapshot: the gallery.
        temperature: as for `PrototypeHead`.
        kept: as for `LdaOfMany`.
    """

    def __init__(self, snapshot: Snapshot, temperature: float = 0.05, kept: Arrays | None = None) -> None:
        self.default_temperature = float(temperature)
        self._snapshot = snapshot
        self._kept = {"prototypes": unit(snapshot.sums.unit_sums)} if kept is None else dict(kept)

    @property
    def kept(self) -> Arrays:
        """What answers, by name."""
        return self._kept

    def scores(self, vectors: NDArray[np.float32]) -> Matrix:
        """Cosines `[N,C]` of rows `[N,D]` to the prototypes."""
        return np.asarray(unit(vectors.astype(np.float64)) @ self._kept["prototypes"].T)

    def answer(self, vectors: NDArray[np.float32]) -> Answer:
        """Cosines, and one minus the best of them."""
        scores = self.scores(vectors)
        return Answer(scores, 1.0 - scores.max(axis=1))

    def left_out(self, rows: Places | None = None) -> LeftOutScores:
        """Take the rows of each part out of their class's sum; of the images that are judged by default."""
        places = self._snapshot.judged if rows is None else rows
        sums, scores = self._snapshot.sums, np.empty((len(places), len(self._snapshot.labels)))
        alone = np.zeros(len(places), bool)
        for members, asked, at in parts_of(self._snapshot, places):
            taught = unit(self._snapshot.take(members.ravel()).astype(np.float64))
            taught = taught.reshape(*members.shape, *taught.shape[1:])  # [m,f,V,D]
            own = self._snapshot.classes[members[:, 0]]
            rest = unit(sums.unit_sums[own] - taught.sum(axis=(1, 2)))
            found = taught[:, :, 0] @ self._kept["prototypes"].T  # [m,f,C]
            mine = np.einsum("mfd,md->mf", taught[:, :, 0], rest)
            np.put_along_axis(found, np.broadcast_to(own[:, None, None], (*mine.shape, 1)), mine[..., None], axis=2)
            scores[at], rows_of = found[asked], members.shape[1] * taught.shape[2]
            alone[at] = np.broadcast_to((sums.counts[own] == rows_of)[:, None], asked.shape)[asked]
        classes = self._snapshot.classes[places]
        scores[np.flatnonzero(alone), classes[alone]] = -np.inf
        return LeftOutScores(scores, np.where(alone, np.nan, 1.0 - scores.max(axis=1)), places)


OF_MANY = {"blend": BlendOfMany, "lda": LdaOfMany, "prototype": PrototypeOfMany}


def left_out(model: PooledGaussian, snapshot: Snapshot, places: Places) -> Distances:
    """Distances `[S,K]` and `[S]` of the images at some places as if their part had not been there."""
    classes, regression = np.empty((2, len(places), len(snapshot.labels)))
    background = np.empty(len(places))
    judge = Single(model)
    for members, asked, at in parts_of(snapshot, places):
        rows = snapshot.take(members.ravel())
        part = Part(rows.reshape(*members.shape, *rows.shape[1:]), snapshot.classes[members[:, 0]])
        found, flat = judge.left_out(part), asked.ravel()
        classes[at], background[at], regression[at] = (one[flat] for one in found)
    return Distances(classes, background, regression)


def parts_of(snapshot: Snapshot, places: Places, most: int = 512) -> Iterator[tuple[Places, NDArray[np.bool_], Places]]:
    """The parts that some images show, those of one size together.

    Yields:
        Places `[m,f]` of the images of m parts of f images each; which of them are asked about; where these stand among
        the places, in the order of the mask.
    """
    wanted = np.unique(snapshot.parts[places])
    mates = np.flatnonzero(np.isin(snapshot.parts, wanted))
    order = mates[np.argsort(snapshot.parts[mates], kind="stable")]
    _, first, sizes = np.unique(snapshot.parts[order], return_index=True, return_counts=True)
    where = np.full(len(snapshot.parts), -1, np.int64)
    where[places] = np.arange(len(places))
    for size in sorted(set(sizes.tolist())):
        members = order[first[sizes == size][:, None] + np.arange(size)]
        step = max(1, most // size)
        for start in range(0, len(members), step):
            some = members[start : start + step]
            at = where[some]
            yield some, at >= 0, at[at >= 0]


def _spread_of(means: Matrix, columns: Matrix, offsets: Matrix) -> float:
    """How far the scores m·B + o of each mean differ from each other, without the K² of them."""
    centred, shifts = columns - columns.mean(axis=1, keepdims=True), offsets - offsets.mean()
    squares = float(np.sum(centred * (means.T @ means @ centred)))
    mixed = float((means.sum(axis=0) @ centred) @ shifts)
    n = len(means)
    return float(np.sqrt(max(0.0, squares + 2 * mixed + n * float(shifts @ shifts)) / (n * n)))
