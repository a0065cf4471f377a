"""How the samples of a TIFF page lie in its strips or tiles."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from edgefs_runtime.base.errors import ImageError
from edgefs_runtime.images.decode.tiff_pages import Page, Tag

_DTYPES = {(1, 8): "u1", (1, 16): "u2", (1, 32): "u4", (1, 64): "u8", (2, 8): "i1", (2, 16): "i2", (2, 32): "i4"}
_FLOATS = {(3, 16): "f2", (3, 32): "f4", (3, 64): "f8"}
_MOST_SAMPLES = 64  # of one pixel


@dataclass(frozen=True)
class TiffLayout:
    """How a page's samples lie in its strips or tiles.

    Attributes:
        width: of the page, pixels.
        height: of the page, pixels.
        samples: of one pixel.
        bits: of one sample.
        format: 1 unsigned, 2 signed, 3 float.
        planes: whether each sample has strips or tiles of its own.
        across: width of a strip or tile, pixels.
        down: height of one, pixels.
        tiled: whether they are tiles, which are whole also where the page ends.
    """

    width: int
    height: int
    samples: int
    bits: int
    format: int
    planes: bool
    across: int
    down: int
    tiled: bool

    @classmethod
    def of(cls, page: Page) -> TiffLayout:
        """What a page says.

        Raises:
            ImageError: samples of different sizes, or of a kind that is not read.
        """
        width, height = page.one(Tag.WIDTH, 0), page.one(Tag.HEIGHT, 0)
        samples = page.one(Tag.SAMPLES, 1)
        bits, formats = (page.all(Tag.BITS) or (1,))[:samples], (page.all(Tag.FORMAT) or (1,))[:samples]
        tiled = Tag.TILE_OFFSETS in page.entries
        across = page.one(Tag.TILE_WIDTH, 0) if tiled else width
        down = page.one(Tag.TILE_HEIGHT, 0) if tiled else min(page.one(Tag.ROWS_PER_STRIP, height), height)
        kind = 1 if formats[0] == 4 else formats[0]  # 4 is "undefined"
        known = (kind == 1 and 1 <= bits[0] <= 16) or (kind, bits[0]) in _DTYPES or (kind, bits[0]) in _FLOATS
        if len(set(bits)) > 1 or len(set(formats)) > 1 or not known or not 1 <= samples <= _MOST_SAMPLES:
            raise ImageError(
                f"a TIFF of {samples} samples with {', '.join(map(str, sorted(set(bits))[:4]))} bits of format "
                f"{formats[0]} can't be read; save it with 8 or 16 bits"
            )
        if min(across, down) < 1:
            raise ImageError(f"damaged image (its parts are {across} x {down} pixels)")
        planes = page.one(Tag.PLANAR, 1) == 2 and samples > 1
        return cls(width, height, samples, bits[0], kind, planes, across, down, tiled)

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of a sample in memory."""
        name = {**_DTYPES, **_FLOATS}.get((self.format, self.bits)) or ("u1" if self.bits < 8 else "u2")
        return np.dtype(name)

    @property
    def row_samples(self) -> int:
        """Samples that stand together in one row of a strip or tile."""
        return self.across * (1 if self.planes else self.samples)

    @property
    def row_bytes(self) -> int:
        """Bytes of one row of a strip or tile."""
        return -(-self.row_samples * self.bits // 8)
