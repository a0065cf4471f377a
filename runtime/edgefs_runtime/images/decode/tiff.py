"""TIFF: which of its pages is the picture, and its rows, at every depth that TIFF knows.

Pillow reads TIFF with tables of what it expects: it drops the low bytes of 16-bit colour and passes over half of what a
camera's software writes. Rows are read here; what compresses whole pictures (JPEG, fax) and colours other than grey,
RGB and palettes go to Pillow, in a file of that page alone, without what else stands in the file.
"""

from __future__ import annotations

from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from edgefs_runtime.base.errors import ImageError
from edgefs_runtime.images.decode.alpha import lay_on_black
from edgefs_runtime.images.decode.depth import settle
from edgefs_runtime.images.decode.orientation import of_metadata, upright
from edgefs_runtime.images.decode.tiff_layout import TiffLayout
from edgefs_runtime.images.decode.tiff_pages import Page, Tag, read_pages
from edgefs_runtime.images.decode.tiff_rows import read_samples
from edgefs_runtime.images.decode.tiff_whole import read_whole
from edgefs_runtime.images.picture import Asked, Limit, Picture, check_size, choose_page, looked_up, strips

_MIN_IS_WHITE, _MIN_IS_BLACK, _RGB, _PALETTE = range(4)
_ROWS = frozenset({1, 5, 8, 32773, 32946, 34925, 50000})  # none, LZW, Deflate, PackBits, Deflate, LZMA, Zstandard
_UNSIGNED, _SIGNED, _FLOAT = 1, 2, 3
_ASSOCIATED, _UNSPECIFIED = 1, 0  # kinds of extra samples


def read_tiff(file: BinaryIO, asked: Asked) -> Picture:
    """The picture in a TIFF file.

    Args:
        file: opened for reading.
        asked: reduced copies and masks are no pages.

    Raises:
        ImageError: damaged, too large, of a kind that is not read, or several pages of which none was chosen.
    """
    pages = _pictures(read_pages(file))
    chosen = pages[choose_page(len(pages), asked.page)]
    check_size(chosen.one(Tag.WIDTH, 0), chosen.one(Tag.HEIGHT, 0), 1, asked.limit)
    slices = chosen.one(Tag.DEPTH, 1)
    if slices > 1:
        raise ImageError(f"a TIFF of {slices} slices in one page can't be read; save the one that is meant by itself")
    photometric = chosen.one(Tag.PHOTOMETRIC, _RGB if chosen.one(Tag.SAMPLES, 1) >= 3 else _MIN_IS_BLACK)
    if chosen.one(Tag.COMPRESSION, 1) in _ROWS and photometric <= _PALETTE:
        picture = _from_rows(file, chosen, photometric, asked)
    else:
        picture = read_whole(file, chosen, photometric, asked)
    turn = chosen.one(Tag.ORIENTATION, 0) or of_metadata(b"", chosen.block(Tag.XMP))
    return upright(picture, turn)


def _pictures(pages: list[Page]) -> list[Page]:
    """Pages that don't call themselves a reduced copy of another, or its mask."""
    own = [page for page in pages if not page.one(Tag.KIND, 0) & 0b101 and page.one(Tag.OLD_KIND, 1) != 2]
    if not own and any(Tag.SUB_PAGES in page.entries for page in pages):
        raise ImageError(
            "the file holds nothing but reduced copies of its picture (a camera's raw file?); develop it and save it "
            "as TIFF"
        )
    return own or pages


def _from_rows(file: BinaryIO, page: Page, photometric: int, asked: Asked) -> Picture:
    layout, counts = TiffLayout.of(page), asked.counts
    _check_layout(layout, asked.limit)
    colours = 3 if photometric == _RGB else 1
    if layout.samples < colours:
        raise ImageError(f"damaged image ({layout.samples} samples of a pixel where colour has 3)")
    alpha = _alpha_sample(page, layout, colours)
    values = read_samples(file, page, layout, [*range(colours), *([] if alpha is None else [alpha])])
    colour = values[:, :, :colours] if colours == 3 else values[:, :, 0]
    picture = (
        _through_palette(colour, page, layout)
        if photometric == _PALETTE
        else _scaled(colour, layout, counts, inverted=photometric == _MIN_IS_WHITE)
    )
    if alpha is None:
        return picture
    if layout.format == _FLOAT or layout.bits > 16:
        cover = _cover(values[:, :, -1], picture)
    else:
        cover = _scaled(values[:, :, -1], layout, counts, inverted=False).pixels
    if cover.dtype != picture.pixels.dtype or picture.white not in (255, 65535):
        raise ImageError(f"alpha of {layout.bits} bits can't be read; save it with 8 or 16 bits")
    seen = np.array(picture.pixels)
    lay_on_black(seen, cover)
    return Picture(seen, picture.white)


def _check_layout(layout: TiffLayout, limit: Limit) -> None:
    """Refuse samples, strips and tiles that are too large; tiles are whole also where the page ends."""
    check_size(layout.width, layout.height, layout.samples * layout.dtype.itemsize, limit)
    if layout.down * layout.row_bytes > limit.nbytes:
        raise ImageError(f"damaged image (its parts are {layout.across} x {layout.down} pixels)")


def _cover(alpha: NDArray[Any], picture: Picture) -> NDArray[Any]:
    """Alpha of 32 bits and more as one of `picture`'s depth: its full scale is the least of three that holds it."""
    low, high = float(alpha.min()), float(alpha.max())
    full = next((full for full in (1, 255, 65535) if high <= full and (full > 1 or alpha.dtype.kind == "f")), 0)
    if not full or not low >= 0:
        raise ImageError(f"its alpha holds values from {low:g} to {high:g}; save it with 8 or 16 bits")
    cover = np.empty(alpha.shape, picture.pixels.dtype)
    for rows in strips(*alpha.shape):
        cover[rows] = np.rint(alpha[rows] * (picture.white / full))
    return cover


def _alpha_sample(page: Page, layout: TiffLayout, colours: int) -> int | None:
    """Which sample says how much is seen; colours that are multiplied by theirs already need none."""
    extra = page.all(Tag.EXTRA)
    if layout.samples == colours or layout.format == _SIGNED:
        return None
    if not extra:
        return colours if layout.samples == colours + 1 else None  # what it is was left out: alpha, by custom
    return next((colours + n for n, kind in enumerate(extra) if kind not in (_UNSPECIFIED, _ASSOCIATED)), None)


def _scaled(values: NDArray[Any], layout: TiffLayout, counts: bool, *, inverted: bool) -> Picture:
    """Samples as a picture in which more is brighter."""
    if layout.format == _FLOAT or layout.bits > 16:
        picture = settle(values, counts)
        return Picture(_inverted(picture.pixels, picture.white), picture.white) if inverted else picture
    if layout.format == _SIGNED:
        values = _unsigned(values)
    white = 2**layout.bits - 1
    if inverted:
        values = _inverted(values, white)
    if layout.bits > 8:
        return Picture(values, white)
    if layout.bits == 8:
        return Picture(values)
    return Picture(looked_up(np.rint(np.arange(white + 1) * (255 / white)).astype(np.uint8), values))


def _inverted(values: NDArray[Any], white: int) -> NDArray[Any]:
    for rows in strips(*values.shape[:2]):
        np.subtract(values.dtype.type(white), values[rows], out=values[rows])
    return values


def _unsigned(values: NDArray[Any]) -> NDArray[Any]:
    if values.min() < 0:
        raise ImageError(
            f"pixel values from {values.min()} to {values.max()}: expected no negative ones; save it with 8 or 16 bits"
        )
    return values.view(f"u{values.dtype.itemsize}")


def _through_palette(indices: NDArray[Any], page: Page, layout: TiffLayout) -> Picture:
    """Each entry has 16 bits; files that hold 8 there are common and meant as such."""
    table = np.array(page.all(Tag.COLOURS), np.uint32)
    if layout.bits > 16 or layout.format != _UNSIGNED or table.size != 3 * 2**layout.bits:
        raise ImageError("damaged image (its palette is cut off)")
    colours = (table >> 8 if table.max() > 255 else table).astype(np.uint8).reshape(3, -1).T
    if (colours == colours[:, :1]).all():
        colours = colours[:, 0]
    return Picture(looked_up(colours, indices))
