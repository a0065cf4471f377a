"""The samples of a TIFF page from its strips or tiles: unpacked, unpredicted, in order.

Decompression of Deflate is Python's; of LZW, PackBits, LZMA and Zstandard it is libtiff's, through Pillow, which is
told that the bytes of a row are grey pixels.
"""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Iterator, Sequence
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray
from PIL import TiffImagePlugin

from edgefs_runtime.base.errors import ImageError
from edgefs_runtime.images.decode.tiff_layout import TiffLayout
from edgefs_runtime.images.decode.tiff_pages import Page, Tag
from edgefs_runtime.images.decode.tiff_single import single_page

_BLOCK = 1 << 22  # bytes unpacked at a time
_MOST_PARTS = 500_000  # strips of one row, or tiles; each takes tens of microseconds
_MOST_STORED = 1_000_000_000  # bytes of all parts; they may overlap, and be more than the file
_DEFLATE = (8, 32946)
_REVERSED = np.packbits(np.unpackbits(np.arange(256, dtype=np.uint8)[:, None], axis=1)[:, ::-1], axis=1)[:, 0]


def read_samples(file: BinaryIO, page: Page, layout: TiffLayout, wanted: Sequence[int]) -> NDArray[Any]:
    """Chosen samples of all pixels, `[H,W,len(wanted)]`, in the machine's byte order.

    Raises:
        ImageError: strips or tiles are missing, cut off, damaged, or compressed in a way that is not read here.
    """
    values = np.empty((layout.height, layout.width, len(wanted)), layout.dtype)
    places = _places(page, layout)
    per_row = -(-layout.width // layout.across)
    per_plane = per_row * -(-layout.height // layout.down)
    for plane in range(layout.samples if layout.planes else 1):
        if layout.planes and plane not in wanted:
            continue
        for number in range(per_plane):
            top, left = number // per_row * layout.down, number % per_row * layout.across
            rows = min(layout.down, layout.height - top)
            span = min(layout.across, layout.width - left)
            for block in _blocks(file, page, layout, places[plane * per_plane + number], rows):
                some = _unpacked(block, page, layout)
                target = values[top : top + len(some), left : left + span]
                if layout.planes:
                    target[:, :, list(wanted).index(plane)] = some[:, :span, 0]
                else:
                    for channel, sample in enumerate(wanted):
                        target[:, :, channel] = some[:, :span, sample]
                top += len(some)
    return values


def _places(page: Page, layout: TiffLayout) -> list[tuple[int, int]]:
    """(offset, bytes) of each strip or tile; 0 bytes where the file does not say."""
    offsets = page.all(Tag.TILE_OFFSETS if layout.tiled else Tag.STRIP_OFFSETS)
    sizes = page.all(Tag.TILE_BYTES if layout.tiled else Tag.STRIP_BYTES)
    expected = -(-layout.width // layout.across) * -(-layout.height // layout.down)
    expected *= layout.samples if layout.planes else 1
    if len(offsets) < expected:
        raise ImageError(f"damaged image ({len(offsets)} parts where {expected} make the picture)")
    if expected > _MOST_PARTS or sum(sizes[:expected]) > _MOST_STORED:
        raise ImageError(f"damaged image ({expected} parts of {sum(sizes[:expected]):,} bytes are no picture)")
    return [(offset, sizes[n] if n < len(sizes) else 0) for n, offset in enumerate(offsets)]


def _blocks(
    file: BinaryIO, page: Page, layout: TiffLayout, place: tuple[int, int], rows: int
) -> Iterator[NDArray[np.uint8]]:
    """The bytes of some rows at a time, `[rows,row_bytes]`."""
    compression, fill_order = page.one(Tag.COMPRESSION, 1), page.one(Tag.FILL_ORDER, 1)
    wide = max(1, _BLOCK // layout.row_bytes)
    chunks = [min(wide, rows - done) for done in range(0, rows, wide)]
    missing = rows
    offset, length = place
    if not offset:
        raise ImageError("damaged image (a part of it was never written)")
    file.seek(offset)
    source: Iterator[bytes]
    if compression == 1:
        source = _as_stored(file, offset, [count * layout.row_bytes for count in chunks])
    elif compression in _DEFLATE:
        data = file.read(length) if length else file.read()
        if fill_order == 2:  # libtiff turns the bits of what is stored, not of what was packed
            data = data.translate(_REVERSED.tobytes())
        source = _inflated(data, [count * layout.row_bytes for count in chunks], layout.down * layout.row_bytes)
    else:
        source = _through_libtiff(file, layout, length, compression, fill_order, rows, chunks)
    for data in source:
        block = np.frombuffer(data, np.uint8)
        if block.size % layout.row_bytes or not block.size:
            raise ImageError("damaged image (the file is cut off)")
        turned = fill_order == 2 and compression == 1
        yield (_REVERSED[block] if turned else block).reshape(-1, layout.row_bytes)
        missing -= block.size // layout.row_bytes
    if missing:
        raise ImageError("damaged image (the file is cut off)")


def _as_stored(file: BinaryIO, offset: int, sizes: list[int]) -> Iterator[bytes]:
    """Pieces that follow one another; between two of them the tags are read, which stand elsewhere in the file."""
    for size in sizes:
        file.seek(offset)
        yield file.read(size)
        offset += size


def _inflated(data: bytes, sizes: list[int], spare: int) -> Iterator[bytes]:
    """What a zlib stream holds, in pieces of the sizes given; `spare` bytes may follow, to its checksum."""
    stream = zlib.decompressobj()
    try:
        for size in sizes:
            piece = stream.decompress(data, size)
            data = stream.unconsumed_tail
            while len(piece) < size and data:
                piece += stream.decompress(data, size - len(piece))
                data = stream.unconsumed_tail
            if len(piece) != size:
                raise ImageError("damaged image (a part of it is cut off)")
            yield piece
        # The checksum is verified where the stream ends: behind rows below the picture, with which tiles are filled up.
        while not stream.eof and spare >= 0:
            more = stream.decompress(data, min(spare, _BLOCK) + 1)
            data, spare = stream.unconsumed_tail, spare - len(more)
            if not more and not stream.eof:
                raise ImageError("damaged image (a part of it is cut off)")
    except zlib.error as error:
        raise ImageError(f"damaged image ({error})") from error


def _through_libtiff(
    file: BinaryIO,
    layout: TiffLayout,
    length: int,
    compression: int,
    fill_order: int,
    rows: int,
    chunks: Sequence[int],
) -> Iterator[bytes]:
    if not length:
        raise ImageError("damaged image (it does not say how long a part of it is)")
    data = file.read(length)
    if len(data) != length:
        raise ImageError("damaged image (the file is cut off)")
    stored = layout.down if layout.tiled else rows
    shape = {Tag.WIDTH: layout.row_bytes, Tag.HEIGHT: stored, Tag.ROWS_PER_STRIP: stored, Tag.BITS: 8}
    coding = {Tag.COMPRESSION: compression, Tag.PHOTOMETRIC: 1, Tag.FILL_ORDER: fill_order, Tag.SAMPLES: 1}
    entries = {int(tag): (4, 1, struct.pack("<I", value)) for tag, value in {**shape, **coding}.items()}
    with TiffImagePlugin.TiffImageFile(io.BytesIO(single_page("<", entries, [data]))) as image:
        try:
            image.load()
        except OSError as error:
            known = compression in (5, 32773)
            perhaps = "" if known else ", or compressed in a way that the installed Pillow does not read"
            raise ImageError(f"damaged image (its compressed pixels can't be decoded{perhaps})") from error
        top = 0
        for count in chunks:
            yield image.crop((0, top, image.width, top + count)).tobytes()
            top += count


def _unpacked(block: NDArray[np.uint8], page: Page, layout: TiffLayout) -> NDArray[Any]:
    """`[rows,across,samples]` from the bytes of rows."""
    predictor = page.one(Tag.PREDICTOR, 1) if page.one(Tag.COMPRESSION, 1) != 1 else 1
    each = 1 if layout.planes else layout.samples
    if predictor == 3 and layout.format == 3:
        values = _float_predicted(block, layout, each)
    elif layout.bits in (8, 16, 32, 64):
        values = np.ascontiguousarray(block).view(np.dtype(f"{page.order}{layout.dtype.str[1:]}"))
        values = values.astype(layout.dtype, copy=False)
    else:
        values = _from_bits(block, layout)
    values = values.reshape(len(block), layout.across, each)
    if predictor == 2:
        values = np.cumsum(values, axis=1, dtype=values.dtype)
        if layout.bits < layout.dtype.itemsize * 8:
            values &= values.dtype.type(2**layout.bits - 1)
    elif predictor not in (1, 3):
        raise ImageError(f"a TIFF with predictor {predictor} can't be read; save it without")
    return values


def _from_bits(block: NDArray[np.uint8], layout: TiffLayout) -> NDArray[Any]:
    """Samples of other than whole bytes: the first bit is the greatest, also across bytes."""
    values = np.empty((len(block), layout.row_samples), layout.dtype)
    some = max(1, _BLOCK // (64 * layout.row_bytes))  # rows; their bits take 8 times the memory, and more
    for top in range(0, len(block), some):
        bits = np.unpackbits(block[top : top + some], axis=1, count=layout.row_samples * layout.bits)
        grouped = bits.reshape(-1, layout.row_samples, layout.bits)
        total = np.zeros(grouped.shape[:2], layout.dtype)
        for place in range(layout.bits):
            total = (total << 1) | grouped[:, :, place]
        values[top : top + some] = total
    return values


def _float_predicted(block: NDArray[np.uint8], layout: TiffLayout, each: int) -> NDArray[Any]:
    """Rows in which the first bytes of all values come first, then the second, as differences."""
    size = layout.bits // 8
    summed = np.cumsum(block.reshape(len(block), -1, each), axis=1, dtype=np.uint8)
    ordered = summed.reshape(len(block), size, layout.row_samples).transpose(0, 2, 1)
    values: NDArray[Any] = np.ascontiguousarray(ordered).view(layout.dtype.newbyteorder(">"))
    return values.astype(layout.dtype)
