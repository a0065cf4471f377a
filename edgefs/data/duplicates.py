"""Finds images that show almost the same picture on two sides of a split.

A part photographed twice, or a file saved again in another format or size, has another digest and still gives the
answer away. Each image is a 16 x 16 grey thumbnail less its lighting (the best quadratic surface, in which all pictures
under one lamp agree); two of them are near when what is left correlates.

Measured on steel, magnetic tiles and commutators: recompression, half size, lower contrast and less light are found in
99 % or more, a steel picture brightened until some of it saturates in 94 %, a shift by 2 % of the width in 60 to 80 %,
and of 400 steel images no two different ones are taken for near.

Where a fixture shows every part alike (the bars of solar cells), different parts are near as well. What two parts of
different classes reach is no sign of a copy, so a leak must be at half their distance.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from edgefs.data.samples import Sample
from edgefs_runtime.images import Picture, open_image
from edgefs_runtime.images.picture import looked_up

_SIDE = 16  # pixels
_NEAR = 0.95  # correlation
_USUAL = 0.98  # share of images whose likeness to other classes is taken for usual; the rest may be labelled wrongly
_CLOSER = 0.5  # of the usual distance, below which a likeness is more than usual
_FLAT = 1.0  # grey levels; with less contrast than this a correlation is one of noise
_ROWS = 1024  # thumbnails compared at a time: bounds memory


def fingerprint_of(picture: Picture) -> bytes:
    """16 x 16 grey levels of a picture, stretched to its own range when it has more than 8 bits."""
    pixels = picture.pixels
    if pixels.dtype != np.uint8:
        low, high = int(pixels.min()), int(pixels.max())
        values = np.arange(65536).astype(np.float32)
        levels = ((values - low) * (255 / max(high - low, 1))).clip(0, 255).astype(np.uint8)
        pixels = looked_up(levels, pixels)
    image = Image.fromarray(np.ascontiguousarray(pixels))
    return image.convert("L").resize((_SIDE, _SIDE), Image.Resampling.BOX).tobytes()


@dataclass(frozen=True)
class NearDuplicates:
    """What two sides of a split share.

    Attributes:
        pairs: for images of the second side, the image of the first that shows almost the same picture.
        alike: images of the second side that are near to one of another class, and no nearer than is usual there: parts
            of this station look alike.
    """

    pairs: tuple[tuple[Sample, Sample], ...]
    alike: int


def near_duplicates(a: Sequence[Sample], b: Sequence[Sample]) -> NearDuplicates:
    """Find, for each image of `b`, the image of `a` that shows almost the same picture, if there is one.

    Different brightness and contrast, a new size and a lossy format are seen through; a turn, a mirror image or a
    shift by more than a few per cent of the width is not. Pictures without contrast are passed over.
    """
    if not a or not b:
        return NearDuplicates((), 0)
    left, right = _unit_vectors(a), _unit_vectors(b)
    labels = np.array([sample.label for sample in a])
    nearest, others = np.empty(len(b), np.int64), np.empty(len(b))
    similar = np.empty(len(b))
    for start in range(0, len(b), _ROWS):
        rows = slice(start, min(start + _ROWS, len(b)))
        similarity = right[rows] @ left.T  # [rows of b, all of a]
        is_other = np.array([sample.label for sample in b[rows]])[:, None] != labels
        nearest[rows], similar[rows] = similarity.argmax(axis=1), similarity.max(axis=1)
        others[rows] = np.where(is_other, similarity, -1.0).max(axis=1)
    usual = float(np.quantile(others, _USUAL, method="lower"))
    is_near = similar >= _NEAR if usual < _NEAR else (1 - similar < _CLOSER * (1 - usual)) & (similar > others)
    pairs = tuple((a[nearest[row]], b[row]) for row in np.flatnonzero(is_near).tolist())
    return NearDuplicates(pairs, int(((others >= _NEAR) & ~is_near).sum()))


def _unit_vectors(samples: Sequence[Sample]) -> NDArray[np.float32]:
    """float32 `[N,256]`: what is a picture's own, of length 1; all zero, near to nothing, where that is flat."""
    pixels = b"".join(sample.fingerprint or fingerprint_of(open_image(sample.path)) for sample in samples)
    grey = np.frombuffer(pixels, np.uint8).reshape(len(samples), -1).astype(np.float32)
    lighting = _lighting()
    detail = grey - (grey @ lighting) @ lighting.T
    length = np.linalg.norm(detail, axis=1, keepdims=True)
    unit: NDArray[np.float32] = np.where(length > _FLAT * _SIDE, detail / np.maximum(length, 1e-6), np.float32(0))
    return unit


def _lighting() -> NDArray[np.float32]:
    """float32 `[256,6]`: orthonormal basis of the quadratic surfaces over a thumbnail."""
    y, x = (axis.ravel() for axis in np.mgrid[-1 : 1 : _SIDE * 1j, -1 : 1 : _SIDE * 1j])
    basis = np.linalg.qr(np.stack([np.ones_like(x), x, y, x * x, x * y, y * y], axis=1))[0]
    return basis.astype(np.float32)
