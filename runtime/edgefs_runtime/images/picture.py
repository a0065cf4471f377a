"""What a decoded image is, and the two rules that hold for every container: how large, and which page.

Every container has its `Limit`, which stands beside its decoder in `decoding.DECODERS`. It is checked against what the
file's header claims, before anything is decoded: a file of 1 kB can claim 60,000 × 60,000 pixels.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from edgefs_runtime.base.errors import ImageError

MOST_PAGES = 10_000  # of one file that are counted
_STRIP = 1 << 16  # pixels worked on at a time: they fit a core's cache, and stay small beside the picture

Pixels = NDArray[Any]  # uint8 or uint16, [H,W] or [H,W,3]


class Limit(NamedTuple):
    """How large a picture in one kind of container may be.

    A line-scan camera of 150 megapixels with 16 bits stays below the limits of the formats that hold such frames.

    Attributes:
        pixels: width times height.
        nbytes: of what is decoded: pixels, times samples, times bytes of one; what a decoder needs besides is counted.
        file_bytes: of the file; None where only the page that is wanted is read of it.
    """

    pixels: int = 200_000_000
    nbytes: int = 450_000_000
    file_bytes: int | None = None


USUAL = Limit()


@dataclass(frozen=True)
class Picture:
    """An upright picture as it is seen: transparent parts lie on black, and no colour table is left.

    Attributes:
        pixels: `[H,W]` grey or `[H,W,3]` RGB, uint8 or, with more than 8 bits, uint16 raw counts. Read only.
        white: the count that the container calls white: 255 of uint8; else 65535, a PGM's maxval, or 4095 of packed
            12 bits.
    """

    pixels: Pixels
    white: int = 255

    @property
    def height(self) -> int:
        """Rows, pixels."""
        return int(self.pixels.shape[0])

    @property
    def width(self) -> int:
        """Width in pixels."""
        return int(self.pixels.shape[1])

    @property
    def bits(self) -> int:
        """Bits of one channel of `pixels`: 8 or 16."""
        return 8 * self.pixels.dtype.itemsize


class Asked(NamedTuple):
    """How a file is to be read.

    Attributes:
        page: which of its pages or frames, from 1; None where there must be just one.
        keep_damaged: take what can be decoded of a JPEG whose scan is damaged.
        counts: whether whole numbers of 32 bits are raw counts, as where a window says what is black and white.
        limit: how large the picture may be.
    """

    page: int | None = None
    keep_damaged: bool = False
    counts: bool = False
    limit: Limit = USUAL


def check_size(width: int, height: int, pixel_bytes: int = 1, limit: Limit = USUAL) -> None:
    """Refuse a size that a header claims, before anything is decoded.

    Args:
        width: pixels.
        height: pixels.
        pixel_bytes: that one pixel takes once it is decoded.
        limit: of the container.

    Raises:
        ImageError: no pixel, or more of them or of their bytes than the limit.
    """
    if min(width, height) < 1:
        raise ImageError(f"damaged image (its header claims {width} x {height} pixels)")
    if width * height > limit.pixels:
        raise ImageError(
            f"{width} x {height} is more than {limit.pixels:,} pixels, refused before decoding; cut it into parts"
        )
    if (decoded := width * height * pixel_bytes) > limit.nbytes:
        raise ImageError(
            f"{width} x {height} pixels of {pixel_bytes} bytes are {decoded:,} bytes, more than {limit.nbytes:,}, "
            "refused before decoding; cut it into parts, or save it in grey, with fewer bits or without alpha"
        )


def choose_page(count: int, page: int | None) -> int:
    """Which of the pictures of one file is meant, from 0.

    Args:
        count: pictures in the file.
        page: which one was asked for, from 1; None where the file must hold just one.

    Raises:
        ImageError: there are several and none was asked for, or there are fewer.
    """
    if page is None and count > 1:
        raise ImageError(
            f"the file holds {count} pages or frames and one picture is expected: save the one that is meant as a file "
            f"of its own, or adapt with --page N (1 to {count})"
        )
    if page is not None and page > count:
        raise ImageError(f"page {page} is to be looked at (--page) and the file holds {count}")
    return (page or 1) - 1


def strips(height: int, width: int) -> Iterator[slice]:
    """Slices of rows that cover a picture, each of about 65,000 pixels."""
    rows = max(1, _STRIP // max(1, width))
    return (slice(top, min(top + rows, height)) for top in range(0, height, rows))


def looked_up(table: NDArray[np.uint8], pixels: NDArray[Any]) -> NDArray[np.uint8]:
    """`table[pixels]`, `[H,W]` or `[H,W,3]`: numpy's indices take eight bytes each, so a few rows at a time."""
    levels = np.empty(pixels.shape + table.shape[1:], np.uint8)
    for rows in strips(*pixels.shape[:2]):
        levels[rows] = table[pixels[rows]]
    return levels
