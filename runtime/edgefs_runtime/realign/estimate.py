"""How an alignment is estimated from a batch of unlabelled embeddings, and when the estimate is not to be believed.

- Inside the class subspace the batch is read as a mixture of unknown shares (`realign.mixture`), which gives the
  shift there and the gain.
- Outside of it the shift is the mean, class by class, drawn towards zero by what chance explains (James and Stein
  1961): the error of the batch's mean and of the gallery's own class means.
- `mean` takes both shifts off. `moments` also undoes the gain in the class subspace, unless nearly all rows are of one
  class. (To match the variance outside as well was tried: it did harm.) `coral` also matches the scatter within the
  classes, shrunk.

What is refused: too few images that differ; a shift that chance explains; two readings of the classes that fit about
equally well; classes that would lie closer together than a change of camera explains; nearly all images of one class,
as far from it as a class that nobody taught would be; most images like no class; and images that lie no nearer to the
classes through an alignment that was fitted on others of them.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgefs_runtime.base.errors import GalleryError
from edgefs_runtime.base.wording import counted
from edgefs_runtime.decision.alignment import Alignment, Choice, Kind
from edgefs_runtime.decision.snapshot import Snapshot
from edgefs_runtime.realign.mixture import LEAST_GAIN, Reading, read_batch
from edgefs_runtime.realign.reference import Matrix, Reference, reference_of

_FEWEST = 10  # images that differ
_BELIEVED = 0.2  # share of the outer shift that chance must not explain
_MARGIN = 10.0  # nats to the next reading
_ONE_CLASS = 0.75  # share of the rows
_BELIEVED_OF_ONE = 0.5  # as `_BELIEVED`, where nearly all rows are of one class
_SURPRISE = 0.8  # of a reading of one class
_FAR = 1.25  # spreads of a class that nearly all images of one class may have moved
_STRANGERS = 0.5  # share of rows like no class
_TRIM = 3.0  # deviations from the median
_RANK = 64  # of what is kept of `coral`


@dataclass(frozen=True)
class Estimate:
    """An alignment, and what is known of it.

    Attributes:
        alignment: of kind `none` where the camera is as it was.
        crossed: the batch `[n,D]`, each half through an alignment fitted on the other half.
        shift: how far the camera moved the images, in spreads of a class.
        doubt: why it is not to be believed; empty where it may.
    """

    alignment: Alignment
    crossed: NDArray[np.float32]
    shift: float
    doubt: str


@dataclass(frozen=True)
class _Shift:
    """What one batch says: its reading, the outer shift `[D]`, and the share of it that is not chance."""

    reading: Reading
    outer: Matrix
    believed: float

    @property
    def is_of_one_class(self) -> bool:
        """Whether nearly all rows are."""
        rows = self.reading.shares.sum(axis=0)
        return bool(rows.max() > _ONE_CLASS * rows.sum())

    @property
    def is_believed(self) -> bool:
        """Whether chance does not explain it. The error of one class's mean is the larger part of what chance does."""
        return self.believed >= (_BELIEVED_OF_ONE if self.is_of_one_class else _BELIEVED)

    @property
    def length(self) -> float:
        """Length of the whole shift, whitened."""
        return float(np.hypot(np.linalg.norm(self.reading.shift), self.believed * np.linalg.norm(self.outer)))


def fit_alignment(batch: NDArray[np.float32], snapshot: Snapshot, kind: Choice = "auto") -> Alignment:
    """The map from a changed camera into the gallery's space.

    Args:
        batch: float32 `[n,D]`, unlabelled embeddings of the changed camera, of any mix of classes, also of some that
            nobody taught.
        snapshot: what the gallery holds.
        kind: `auto` is `moments`.

    Raises:
        GalleryError: there are too few rows, or the estimate is not to be believed; the message says why. Where chance
            explains the shift it is no error: the alignment is of kind `none`.
    """
    found = estimate(batch, snapshot, kind)
    if found.doubt:
        raise GalleryError(found.doubt)
    return found.alignment


def estimate(batch: NDArray[np.float32], snapshot: Snapshot, kind: Choice) -> Estimate:
    """Fit, and look whether to believe it.

    Args:
        batch: raw embeddings `[n,D]` of the changed camera.
        snapshot: what the gallery holds.
        kind: `auto` is `moments`.

    Raises:
        GalleryError: there are too few rows that differ for any estimate, or the gallery can't tell chance from shift.
    """
    reference, rows = reference_of(snapshot), batch.astype(np.float64)
    if rows.ndim != 2 or rows.shape[1] != reference.means.shape[1]:
        raise GalleryError(f"the images' embeddings are {rows.shape}, the gallery's have {reference.means.shape[1]}")
    distinct = rows[reference.without_copies(rows)]
    if len(distinct) < _FEWEST:
        number = counted(len(distinct), "image that differs", "images that differ")
        raise GalleryError(f"{number} can't tell how a camera changed; give at least {_FEWEST}")
    chosen: Kind = "moments" if kind == "auto" else kind
    found = _shift(reference, distinct)
    crossed = _crossed(reference, rows, chosen)
    alignment = _alignment(reference, distinct, found, chosen)
    if not found.is_believed:
        return Estimate(Alignment.identity(alignment.dim), batch.astype(np.float32), 0.0, "")
    doubt = _doubt(reference, found, rows, crossed)
    return Estimate(alignment, crossed, found.length / float(np.sqrt(reference.spread)), doubt)


def _doubt(reference: Reference, found: _Shift, rows: Matrix, crossed: NDArray[np.float32]) -> str:
    reading, n = found.reading, len(found.reading.shares)
    by_class = reading.shares.sum(axis=0)
    if by_class.sum() < (1 - _STRANGERS) * n:
        return f"{n - by_class.sum():.0f} of {n} images look like no class, through any shift"
    if reading.margin < _MARGIN:
        return "which classes the images show is unclear: two readings fit about equally well"
    if reading.gain <= LEAST_GAIN * reference.gain * 1.01:
        return "the classes would lie closer together than a change of camera explains"
    is_far = found.length**2 > _FAR**2 * reference.spread or reading.surprise > _SURPRISE
    if found.is_of_one_class and is_far:
        return "nearly all images show one thing, as far from its class as one that nobody taught would be"
    if _distance(reference, crossed.astype(np.float64)) >= _distance(reference, rows):
        return "images lie no nearer to the classes through an alignment that was fitted on others of them"
    return ""


def _distance(reference: Reference, rows: Matrix) -> float:
    """Mean squared distance of rows from their nearest class, whitened."""
    inside, outside = reference.split(rows)
    nearest = ((inside[:, None] - reference.gain * reference.classes[None]) ** 2).sum(axis=2).min(axis=1)
    return float((nearest + (outside**2).sum(axis=1)).mean())


def _shift(reference: Reference, rows: Matrix) -> _Shift:
    inside, outside = reference.split(rows)
    reading = read_batch(reference, inside)
    shares = reading.shares
    outer, noise = _outer_mean(reference, outside, shares)
    lengths = ((outside - outer) ** 2).sum(axis=1)
    middle = float(np.median(lengths))
    usual = lengths <= middle + _TRIM * 1.4826 * float(np.median(np.abs(lengths - middle)))
    outer, noise = _outer_mean(reference, outside, shares * usual[:, None])
    return _Shift(reading, outer, max(0.0, 1 - noise / max(float(outer @ outer), 1e-12)))


def _outer_mean(reference: Reference, outside: Matrix, shares: Matrix) -> tuple[Matrix, float]:
    """Mean `[D]` over the classes' means, each by what it tells, and the squared length that chance would give it."""
    rows = shares.sum(axis=0)
    means = shares.T @ outside / np.maximum(rows, 1e-9)[:, None] - reference.outer  # [K,D]
    noise = reference.spread * (1 / np.maximum(rows, 1e-9) + 1 / reference.counts)
    weights = np.where(rows > 0.5, 1 / noise, 0.0)
    weights /= max(float(weights.sum()), 1e-12)
    return weights @ means, float(weights**2 @ noise)


def _crossed(reference: Reference, rows: Matrix, kind: Kind) -> NDArray[np.float32]:
    """Rows `[n,D]`, each half through what the other half says. The halves alternate: a belt drifts."""
    crossed = rows.astype(np.float32)
    for own in (slice(0, None, 2), slice(1, None, 2)):
        other = rows[1 - (own.start or 0) :: 2]
        other = other[reference.without_copies(other)]
        found = _shift(reference, other)
        if found.is_believed:
            crossed[own] = _alignment(reference, other, found, kind)(crossed[own])
    return crossed


def _alignment(reference: Reference, rows: Matrix, found: _Shift, kind: Kind) -> Alignment:
    """Alignment y = x − δ in the whitened space; but for `mean`, the part z in the class subspace becomes c·z."""
    dim, reading = len(reference.centre), found.reading
    # One class alone does not tell a gain from a shift.
    stretch = 1.0 if kind == "mean" or found.is_of_one_class else reference.gain / reading.gain
    inner = stretch * reading.shift + (stretch - 1) * (reference.basis @ reference.centre)
    shift = -(inner @ reference.basis + found.believed * found.outer) @ reference.unwhiten
    left = reference.whiten @ reference.basis.T  # [D,K−1]
    right = (stretch - 1) * reference.basis @ reference.unwhiten
    if kind == "mean":
        left, right = left[:, :0], right[:0]
    plain = _affine(kind, np.ones(dim), shift, left, right, reference.unit)
    return plain if kind != "coral" else _with_scatter(reference, rows, reading.shares, plain)


def _with_scatter(reference: Reference, rows: Matrix, shares: Matrix, plain: Alignment) -> Alignment:
    """Follow `plain` by T = C^(−1/2) in the whitened space, about the middle of what the rows show.

    C is the scatter of the rows within the classes, drawn to the sphere that the gallery's is by as many rows as there
    are dimensions. Few rows show a sphere longer in some directions than in others; so each direction is compared with
    what chance gives the one of its rank (Marchenko and Pastur 1967), and T is the identity but for `_RANK` of them.
    """
    n, dim = rows.shape
    belongs = shares / np.maximum(shares.sum(axis=1, keepdims=True), 1e-12)
    centred = rows - belongs @ (shares.T @ rows / np.maximum(shares.sum(axis=0), 1e-9)[:, None])
    _, sizes, directions = np.linalg.svd(centred @ reference.whiten, full_matrices=False)
    directions, sizes = directions[:_RANK], sizes[:_RANK]
    chance = np.linspace(dim**0.5 + n**0.5, abs(dim**0.5 - n**0.5), min(n, dim))[: len(sizes)] ** 2  # of a sphere
    stretch = np.sqrt((dim + chance) / (dim + sizes**2 * dim / reference.spread))
    left = reference.whiten @ (directions.T * (stretch - 1))
    right = directions @ reference.unwhiten
    middle = shares.sum(axis=0) @ reference.means / shares.sum()
    b, inner, outer = (part.astype(np.float64) for part in (plain.shift, plain.left, plain.right))

    def turned(matrix: Matrix) -> Matrix:
        return np.asarray(matrix + (matrix @ left) @ right)

    # y = (P(x) − m)·T + m with P(x) = x + xLR + b, so x ↦ x·T + (xL)(RT) + (b − m)T + m.
    return _affine(
        "coral",
        np.ones(dim),
        turned((b - middle)[None])[0] + middle,
        np.concatenate([left, inner], axis=1),
        np.concatenate([right, turned(outer)]),
        reference.unit,
    )


def _affine(kind: Kind, scale: Matrix, shift: Matrix, left: Matrix, right: Matrix, unit: bool) -> Alignment:
    return Alignment(
        kind,
        scale.astype(np.float32),
        shift.astype(np.float32),
        np.ascontiguousarray(left, np.float32),
        np.ascontiguousarray(right, np.float32),
        unit,
    )
