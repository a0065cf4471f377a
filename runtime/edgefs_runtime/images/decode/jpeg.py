"""JPEG, decoded by libjpeg-turbo itself: what Pillow hides counts as damage here.

libjpeg fills what is missing with grey and warns; a file whose end was patched then looks whole. `simplejpeg` passes
the warnings on, and its pixels are the same as Pillow's, bit by bit. Harmless are bytes behind the picture, zeros
before its end (cameras pad their frames), and an end that is not marked where everything before it is there.
"""

from __future__ import annotations

import io
import re
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from edgefs_runtime.base.errors import ImageError
from edgefs_runtime.base.wording import first_line
from edgefs_runtime.images.decode.jpeg_segments import (
    LOSSLESS_STANDARD,
    Header,
    first_frame,
    places_of,
    read_header,
    without_metadata,
)
from edgefs_runtime.images.decode.orientation import of_metadata, upright
from edgefs_runtime.images.picture import Asked, Limit, Picture, check_size, choose_page, strips

_COLOURS = {1: "GRAY", 3: "RGB", 4: "CMYK"}  # by the number of components
_PROGRESSIVE = (0xC2, 0xCA)
_ARITHMETIC = (0xC9, 0xCA)
_MARKED = b"\xff\xd9"  # end of the picture
_ANYTHING = bytes(range(1, 128)) * 8  # what no encoder writes behind a picture, and no marker
_LOOKED_AT = 1 << 22  # bytes in which a frame that is too large is found before the whole file is read
_PREFETCH = 8  # bytes that the decoder holds beyond the last that it needed
_ODD_SUBSAMPLING = "Could not determine subsampling"


def read_jpeg(file: BinaryIO, asked: Asked) -> Picture:
    """The picture in a JPEG file.

    Raises:
        ImageError: damaged, too large, of a kind that is not read, or more than one picture.
    """
    if frame := first_frame(file.read(_LOOKED_AT)):
        _check_frame(frame, asked.limit)
    file.seek(0)
    return jpeg_in(file.read(), asked)


def jpeg_in(data: bytes, asked: Asked) -> Picture:
    """The picture in the bytes of a JPEG file.

    Args:
        data: the file.
        asked: which of several pictures, how large, and whether damaged scans are kept.

    Raises:
        ImageError: damaged, too large, of a kind that is not read, or more than one picture.
    """
    header = read_header(data)
    places = places_of(data, header)
    place = places[choose_page(len(places), asked.page)]
    if place[0]:
        data = data[place[0] : sum(place)]
        header = read_header(data)
    if header.frame == LOSSLESS_STANDARD:
        raise ImageError("a JPEG-LS image can't be read; save it as PNG or TIFF")
    if not header.height and header.width:
        raise ImageError("a JPEG that states its height behind its pixels can't be read; save it as PNG or TIFF")
    _check_frame(header, asked.limit)
    if header.components not in _COLOURS or header.bits != 8:
        raise ImageError(
            f"a JPEG of {header.components} components with {header.bits} bits can't be read; save it as PNG or TIFF"
        )
    colour = _COLOURS[header.components]
    pixels = _lenient(data, header, colour) if asked.keep_damaged else _strict(data, header, colour)
    if colour == "CMYK":
        pixels = _rgb(pixels)
    return upright(Picture(pixels[:, :, 0] if colour == "GRAY" else pixels), of_metadata(header.exif, header.xmp))


def _check_frame(header: Header, limit: Limit) -> None:
    """Refuse a frame that is too large; the coefficients of a progressive one take two bytes beside each sample's."""
    if header.height:  # without one it is refused as such
        held = 3 if header.frame in _PROGRESSIVE else 1
        check_size(header.width, header.height, header.components * held, limit)


def check_jpeg(tables: bytes, part: bytes, asked: Asked) -> int:
    """Look for damage in one strip or tile of a TIFF, and return its number of pixels.

    Args:
        tables: a JPEG file of what all parts have in common; empty where each has its own.
        part: a JPEG file.
        asked: how large it may be, and whether damage is kept.

    Raises:
        ImageError: damaged or too large.
    """
    data = part[:2] + tables[2:-2] + part[2:] if tables else part
    header = read_header(data)
    _check_frame(header, asked.limit)
    if header.components in _COLOURS and header.bits == 8 and not asked.keep_damaged:
        _strict(data, header, _COLOURS[header.components])
    return header.width * header.height


def _strict(data: bytes, header: Header, colour: str) -> NDArray[np.uint8]:
    import simplejpeg

    try:
        pixels = simplejpeg.decode_jpeg(data, colour, strict=True)
    except ValueError as error:
        reason = first_line(error)
        if _ODD_SUBSAMPLING not in reason:
            mended = _mended(data, header, reason)
            if mended is None:
                raise _damaged(reason) from error
            return _strict(mended, read_header(mended), colour)
        pixels = _by_pillow(data, header)
        is_silent = True
    else:
        is_silent = header.frame in _ARITHMETIC
    if header.frame in _PROGRESSIVE and _unfinished(header.scans):
        raise _damaged("its last scans are missing")
    if is_silent and _runs_out(data, header, colour, pixels):
        raise _damaged("its last scan is cut off")
    return np.asarray(pixels)


def _runs_out(data: bytes, header: Header, colour: str, pixels: NDArray[np.uint8]) -> bool:
    """Whether a decoder that does not say so read on behind the last scan: other bytes there change the picture.

    The last symbols of arithmetic coding may do so rightly: its encoder leaves out the zeros that end a scan.
    """
    end = header.end - 2 if header.end else len(data)
    padding = end - len(data[:end].rstrip(b"\0"))
    scan = data[: end - max(0, padding - _PREFETCH)].rstrip(b"\xff")
    other = _lenient(scan + _ANYTHING + _MARKED, header, colour)
    rows, columns = pixels.shape[:2]
    if header.frame in _ARITHMETIC:
        corner = header.block + 2  # the last block, and the pixels that its colours are smoothed over
        rows, columns = max(0, rows - corner), max(0, columns - corner)
    above = (np.array_equal(other[some], pixels[some]) for some in strips(rows, pixels.shape[1]))
    return not all(above) or not np.array_equal(other[rows:, :columns], pixels[rows:, :columns])


def _lenient(data: bytes, header: Header, colour: str) -> NDArray[np.uint8]:
    import simplejpeg

    try:
        return np.asarray(simplejpeg.decode_jpeg(data, colour, strict=False))
    except ValueError as error:
        if _ODD_SUBSAMPLING in str(error):
            return _by_pillow(data, header)
        raise ImageError(f"damaged image ({error})") from error


def _by_pillow(data: bytes, header: Header) -> NDArray[np.uint8]:
    """A JPEG whose chroma is sampled in a way that libjpeg-turbo's simple interface does not name: 4:1:0 and rarer."""
    from PIL.JpegImagePlugin import JpegImageFile

    bare = without_metadata(data, header) + (b"" if header.end else _MARKED)  # Pillow would wait for more without one
    try:
        with JpegImageFile(io.BytesIO(bare)) as image:
            image.load()
            pixels = np.empty((image.height, image.width, len(image.getbands())), np.uint8)
            for rows in strips(image.height, image.width):
                pixels[rows] = np.atleast_3d(image.crop((0, rows.start, image.width, rows.stop)))
    except (OSError, SyntaxError) as error:
        raise _damaged(str(error)) from error
    return np.invert(pixels) if pixels.ndim == 3 and pixels.shape[2] == 4 else np.atleast_3d(pixels)


def _damaged(reason: str) -> ImageError:
    return ImageError(f"damaged image ({reason}); where such frames are wanted all the same, adapt with --damaged keep")


def _rgb(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """RGB `[H,W,3]` from inks `[H,W,4]`, which JPEG files hold inverted."""
    from PIL import Image

    np.invert(pixels, out=pixels)
    inks = Image.frombuffer("CMYK", (pixels.shape[1], pixels.shape[0]), pixels, "raw", "CMYK", 0, 1)
    return np.asarray(inks.convert("RGB"))


def _mended(data: bytes, header: Header, reason: str) -> bytes | None:
    """Bytes of the picture without what is harmless at its end; None where it may not be whole."""
    if "ICC" in reason and header.metadata:
        return without_metadata(data, header)
    padding = re.search(r"(\d+) extraneous bytes before marker 0xd9", reason)
    if padding and header.end:
        count, end = int(padding[1]), header.end - 2
        zeros = end - len(data[:end].rstrip(b"\0"))
        # More zeros than are left over were taken for picture: a file of which the end was never written.
        return data[: end - count] + data[end : end + 2] if count <= zeros <= count + _PREFETCH else None
    unmarked = not header.end and header.frame not in _PROGRESSIVE and not data.endswith((b"\0", _MARKED))
    return data + _MARKED if unmarked and "end of JPEG" in reason else None


def _unfinished(scans: list[bytes]) -> bool:
    """Whether a progressive picture stops before the last bits of what it has begun: libjpeg takes that for an end."""
    missing: dict[tuple[int, int], int] = {}  # bits that are still to come, of each component's coefficients
    for scan in scans:
        count = scan[0]
        first, last, precision = scan[1 + 2 * count : 4 + 2 * count]
        for component in scan[1 : 1 + 2 * count : 2]:
            missing.update({(component, number): precision & 15 for number in range(first, min(last, 63) + 1)})
    return any(missing.values())
