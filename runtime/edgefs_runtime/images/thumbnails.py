"""Small JPEG copies of images, free of everything the camera or the customer wrote into the file."""

from __future__ import annotations

import io

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from edgefs_runtime.images import ImageSource, Picture, open_image
from edgefs_runtime.images.picture import looked_up, strips


def thumbnail(source: ImageSource | Picture, *, longer: int) -> bytes:
    """A JPEG that is upright, without EXIF, comments or colour profile, and never larger than the original.

    More than 8 bits are stretched from the 1st to the 99th percentile: the copy is for the eye.

    Args:
        source: an image, as `open_image` takes it, or what it returned.
        longer: at most this many pixels along the longer side.

    Raises:
        ImageError: the source can't be decoded.
    """
    pixels = open_image(source).pixels
    if pixels.dtype != np.uint8:
        pixels = _stretched(pixels)
    copy = Image.fromarray(np.ascontiguousarray(pixels))  # bare pixels: no comment of the original comes along
    wanted = longer / max(copy.size)
    if wanted < 1:
        size = (max(1, round(copy.width * wanted)), max(1, round(copy.height * wanted)))
        copy = copy.resize(size, Image.Resampling.LANCZOS)
    buffer = io.BytesIO()
    copy.save(buffer, "JPEG", quality=80)
    return buffer.getvalue()


def _stretched(pixels: NDArray[np.uint16]) -> NDArray[np.uint8]:
    """The percentiles by counting: sorting a frame would take eight times its memory."""
    counts = np.zeros(65536, np.int64)
    for rows in strips(*pixels.shape[:2]):
        counts += np.bincount(pixels[rows].ravel(), minlength=65536)
    low, high = (_percentile(counts, share) for share in (1, 99))
    levels = np.clip(np.rint((np.arange(65536) - low) * (255.0 / max(high - low, 1.0))), 0, 255).astype(np.uint8)
    return looked_up(levels, pixels)


def _percentile(counts: NDArray[np.int64], share: float) -> float:
    """Percentile of values given by how often each is, interpolated between two as `numpy.percentile` does."""
    upto = np.cumsum(counts)
    place = share / 100 * (int(upto[-1]) - 1)
    below, above = (int(np.searchsorted(upto, rank, side="right")) for rank in (np.floor(place), np.ceil(place)))
    return float(below + (above - below) * (place - np.floor(place)))
