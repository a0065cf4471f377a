"""Pages of a TIFF that Pillow decodes as a whole: JPEG and fax, and colours other than grey, RGB and palettes."""

from __future__ import annotations

import io
import struct
from typing import BinaryIO

from PIL import TiffImagePlugin

from edgefs_runtime.base.errors import ImageError
from edgefs_runtime.images.decode.jpeg import check_jpeg, jpeg_in
from edgefs_runtime.images.decode.pillow import picture_of
from edgefs_runtime.images.decode.tiff_pages import Page, Tag
from edgefs_runtime.images.decode.tiff_single import single_page
from edgefs_runtime.images.picture import Asked, Limit, Picture

_KEPT = tuple(
    tag
    for tag in Tag
    if tag
    not in (
        *(Tag.KIND, Tag.OLD_KIND, Tag.SUB_PAGES, Tag.XMP, Tag.ORIENTATION, Tag.DEPTH),  # the caller's
        *(Tag.OLD_JPEG, Tag.OLD_JPEG_BYTES),
        *(Tag.STRIP_OFFSETS, Tag.STRIP_BYTES, Tag.TILE_OFFSETS, Tag.TILE_BYTES),  # made anew
    )
)
_NUMBERS = (
    *(Tag.WIDTH, Tag.HEIGHT, Tag.COMPRESSION, Tag.PHOTOMETRIC, Tag.FILL_ORDER, Tag.SAMPLES, Tag.ROWS_PER_STRIP),
    *(Tag.PLANAR, Tag.FAX3_OPTIONS, Tag.FAX4_OPTIONS, Tag.PREDICTOR, Tag.TILE_WIDTH, Tag.TILE_HEIGHT),
)
_OLD_JPEG, _JPEG = 6, 7
_SPARE = 1 << 20  # pixels by which tiles may go beyond the page
_DECODED = frozenset({1, 2, 3, 4, 5, _JPEG, 8, 32773, 32946, 34925, 50000})
_COLOURS = {0: "grey", 1: "grey", 2: "RGB", 3: "palette", 5: "CMYK", 6: "YCbCr", 8: "CIE L*a*b*"}


def read_whole(file: BinaryIO, page: Page, photometric: int, asked: Asked) -> Picture:
    """The picture of a page.

    Raises:
        ImageError: damaged, or of a kind that is not read.
    """
    compression = page.one(Tag.COMPRESSION, 1)
    if compression == _OLD_JPEG and Tag.OLD_JPEG in page.entries:
        return _old_jpeg(file, page, asked)
    if compression not in _DECODED or photometric not in _COLOURS:
        raise ImageError(
            f"a TIFF with compression {compression} and colours of kind {photometric} can't be read; "
            "save it as grey or RGB without compression"
        )
    tiled = Tag.TILE_OFFSETS in page.entries
    parts = _parts(file, page, tiled, asked.limit)
    if compression == _JPEG:
        _check_jpegs(page, parts, asked)
    entries = {int(tag): page.raw(tag) for tag in _KEPT if tag in page.entries}
    entries |= {
        int(tag): (4, 1, struct.pack(f"{page.order}I", page.one(tag, 0))) for tag in _NUMBERS if tag in page.entries
    }
    alone = single_page(page.order, entries, parts, tiled)
    with TiffImagePlugin.TiffImageFile(io.BytesIO(alone)) as image:
        return picture_of(image, limit=asked.limit)


def _check_jpegs(page: Page, parts: list[bytes], asked: Asked) -> None:
    """Look for damage, unless that is kept, and for parts that hold more pixels than the page."""
    left = 4 * page.one(Tag.WIDTH, 0) * page.one(Tag.HEIGHT, 0) + _SPARE
    for part in parts:
        left -= check_jpeg(page.block(Tag.JPEG_TABLES), part, asked)
        if left < 0:
            raise ImageError("damaged image (its parts hold more pixels than the picture)")


def _old_jpeg(file: BinaryIO, page: Page, asked: Asked) -> Picture:
    """A page whose pixels are a JPEG file within the file, which TIFF 6.0 had and libtiff still reads."""
    start, size = page.one(Tag.OLD_JPEG, 0), page.one(Tag.OLD_JPEG_BYTES, 0)
    file.seek(start)
    data = file.read(min(size or asked.limit.nbytes, asked.limit.nbytes))
    if not data.startswith(b"\xff\xd8\xff") or b"\xff\xda" not in data:
        raise ImageError("a TIFF that holds a JPEG in pieces can't be read; save it as grey or RGB without compression")
    return jpeg_in(data, asked._replace(page=None))


def _parts(file: BinaryIO, page: Page, tiled: bool, limit: Limit) -> list[bytes]:
    offsets = page.all(Tag.TILE_OFFSETS if tiled else Tag.STRIP_OFFSETS)
    sizes = page.all(Tag.TILE_BYTES if tiled else Tag.STRIP_BYTES)
    if not offsets or len(sizes) < len(offsets):
        raise ImageError("damaged image (it does not say where its parts are)")
    if sum(sizes) > limit.nbytes:  # they may overlap, and be more than the file
        raise ImageError(f"damaged image (its parts claim {sum(sizes):,} bytes)")
    parts = []
    for offset, size in zip(offsets, sizes, strict=False):
        file.seek(offset)
        parts.append(file.read(size))
        if len(parts[-1]) != size or not size:
            raise ImageError("damaged image (the file is cut off)")
    return parts
