"""Finds images that show almost the same picture on two sides of a split.

A part photographed twice, or a file saved again in another format or size, has another digest and still gives the
answer away. Each image is a 16 x 16 grey thumbnail less its lighting (the best quadratic surface, in which all pictures
under one lamp agree); two of them are near when what is left correlates.

Measured on steel and magnetic-tile images: recompression, half size and changed contrast are found in 99 % or more, a
shift by 2 % of the width in 60 to 80 %, and of 400 steel images no two different ones are taken for near.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from edgefs.data.samples import Sample
from edgefs_runtime.images import Picture, open_image
from edgefs_runtime.images.picture import looked_up

_SIDE = 16  # pixels
_NEAR = 0.95  # correlation
_FLAT = 1.0  # grey levels; with less contrast than this a correlation is one of noise
_ROWS = 1024  # thumbnails compared at a time: bounds memory


def thumbnail(picture: Picture) -> bytes:
    """16 x 16 grey levels of a picture, stretched to its own range when it has more than 8 bits."""
    pixels = picture.pixels
    if pixels.dtype != np.uint8:
        low, high = int(pixels.min()), int(pixels.max())
        values = np.arange(65536).astype(np.float32)
        levels = ((values - low) * (255 / max(high - low, 1))).clip(0, 255).astype(np.uint8)
        pixels = looked_up(levels, pixels)
    image = Image.fromarray(np.ascontiguousarray(pixels))
    return image.convert("L").resize((_SIDE, _SIDE), Image.Resampling.BOX).tobytes()


def near_duplicates(a: Sequence[Sample], b: Sequence[Sample]) -> list[tuple[Sample, Sample]]:
    """For each image of `b` the image of `a` that shows almost the same picture, where there is one.

    Different brightness and contrast, a new size and a lossy format are seen through; a turn, a mirror image or a
    shift by more than a few per cent of the width is not. Pictures without contrast are passed over. Where good parts
    lie in a fixture and all look alike, most of `b` is near: then it tells about the station, not about a leak.
    """
    if not a or not b:
        return []
    left, right = _unit_vectors(a), _unit_vectors(b)
    pairs = []
    for start in range(0, len(b), _ROWS):
        similarity = right[start : start + _ROWS] @ left.T  # [rows of b, all of a]
        nearest = similarity.argmax(axis=1)
        for row, column in enumerate(nearest.tolist()):
            if similarity[row, column] >= _NEAR:
                pairs.append((a[column], b[start + row]))
    return pairs


def _unit_vectors(samples: Sequence[Sample]) -> NDArray[np.float32]:
    """float32 `[N,256]`: what is a picture's own, of length 1; all zero, near to nothing, where that is flat."""
    pixels = b"".join(sample.fingerprint or thumbnail(open_image(sample.path)) for sample in samples)
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
