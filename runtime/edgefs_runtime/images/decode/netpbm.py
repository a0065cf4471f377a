"""PBM, PGM, PPM and PFM: raw counts with the maxval that the file states.

Pillow stretches them to 65535 first, after which a window of raw counts means something else.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from edgefs_runtime.base.errors import ImageError
from edgefs_runtime.images.decode.depth import settle
from edgefs_runtime.images.picture import MOST_PAGES, Asked, Limit, Picture, check_size, choose_page, looked_up, strips

_START = re.compile(rb"P[1-6Ff][ \t\n\v\f\r#]")
_TOKEN = re.compile(rb"(?:[ \t\n\v\f\r]+|#[^\r\n]*[\r\n])*([^ \t\n\v\f\r#]{1,20})(?:[ \t\n\v\f\r]|(?=#))")
_COMMENT = re.compile(rb"#[^\r\n]*")
_HEAD = 65536  # bytes in which a header must end
_READ = 1 << 22  # bytes of text read at a time


@dataclass(frozen=True)
class _Header:
    kind: str  # 1 to 6, f or F
    width: int
    height: int
    maxval: float
    at: int  # where the raster begins

    @property
    def channels(self) -> int:
        return 3 if self.kind in "36F" else 1

    @property
    def nbytes(self) -> int:
        """Bytes of a binary raster; how long a raster in text is, only reading it tells."""
        if self.kind == "4":
            return -(-self.width // 8) * self.height
        return self.width * self.height * self.pixel_bytes

    @property
    def pixel_bytes(self) -> int:
        """Bytes that one pixel takes once it is decoded."""
        return self.channels * (4 if self.kind in "fF" else 1 if self.maxval < 256 else 2)


def read_netpbm(file: BinaryIO, asked: Asked) -> Picture:
    """The picture in a file of netpbm's formats.

    Args:
        file: opened for reading.
        asked: the pictures of one file stand one after the other.

    Raises:
        ImageError: damaged, too large, or several pictures.
    """
    headers = list(itertools.islice(_headers(file, asked.limit), MOST_PAGES))
    header = headers[choose_page(len(headers), asked.page)]
    if header.kind in "14":
        return Picture(_bilevel(file, header))
    values = _text(file, header) if header.kind in "23" else _binary(file, header)
    values = values.reshape(header.height, header.width, *((3,) if header.channels == 3 else ()))
    if header.kind in "fF":
        return settle(values[::-1], asked.counts)
    white = int(header.maxval)
    if white > 255:
        return Picture(values, white)
    scaled = np.rint(np.arange(256) / white * 255).clip(0, 255).astype(np.uint8)
    return Picture(looked_up(scaled, values) if white != 255 else values)


def _headers(file: BinaryIO, limit: Limit) -> Iterator[_Header]:
    """Headers of the pictures in the file, one each; a picture in text ends a file."""
    at, size = 0, file.seek(0, 2)
    while at < size:
        header = _header(file, at, limit)
        if header is None:
            return
        yield header
        at = header.at + header.nbytes
        if header.kind in "123" or at > size:
            return


def _header(file: BinaryIO, at: int, limit: Limit) -> _Header | None:
    """Header of the picture that begins at a byte; None where, behind a first picture, none begins."""
    file.seek(at)
    head = file.read(_HEAD)
    begin = len(head) - len(head.lstrip(b" \t\n\v\f\r")) if at else 0
    if not _START.match(head, begin):
        return None
    kind, end = chr(head[begin + 1]), begin + 2
    numbers: list[float] = []
    for _ in range(2 if kind in "14" else 3):
        token = _TOKEN.match(head, end)
        if token is None:
            raise ImageError("damaged image (its header is cut off)")
        numbers.append(_number(token[1], real=kind in "fF" and len(numbers) == 2))
        end = token.end()
    width, height = int(numbers[0]), int(numbers[1])
    maxval = numbers[2] if len(numbers) == 3 else 1
    if maxval == 0 or (kind not in "fF" and not 0 < maxval < 65536):
        raise ImageError(f"damaged image (its header states {maxval:g} as the greatest value)")
    header = _Header(kind, width, height, maxval, at + end)
    check_size(width, height, header.pixel_bytes, limit)
    return header


def _number(token: bytes, *, real: bool) -> float:
    try:
        return float(token) if real else int(token)
    except ValueError as error:
        raise ImageError(f"damaged image ({token!r} stands in its header for a number)") from error


def _cut() -> ImageError:
    return ImageError("damaged image (the file is cut off)")


def _binary(file: BinaryIO, header: _Header) -> NDArray[Any]:
    """Raw values in one row."""
    real = "<f4" if header.maxval < 0 else ">f4"
    stored: np.dtype[Any] = np.dtype(real if header.kind in "fF" else "u1" if header.maxval < 256 else ">u2")
    values = np.empty(header.width * header.height * header.channels, stored.newbyteorder("="))
    file.seek(header.at)
    if file.readinto(values.view(np.uint8).data) != values.nbytes:  # type: ignore[attr-defined]
        raise _cut()
    if stored != values.dtype:
        values.byteswap(inplace=True)
    return values


def _bilevel(file: BinaryIO, header: _Header) -> NDArray[np.uint8]:
    """`[H,W]`, in which 1 is black."""
    if header.kind == "1":
        values = 255 - 255 * _text(file, header).astype(np.uint8)
        return values.reshape(header.height, header.width)
    file.seek(header.at)
    packed = np.frombuffer(file.read(header.nbytes), np.uint8)
    if packed.nbytes != header.nbytes:
        raise _cut()
    rows = packed.reshape(header.height, -1)
    pixels = np.empty((header.height, header.width), np.uint8)
    for some in strips(header.height, header.width):
        pixels[some] = 255 * (1 - np.unpackbits(rows[some], axis=1, count=header.width))
    return pixels


def _text(file: BinaryIO, header: _Header) -> NDArray[Any]:
    """Values in one row, read a block at a time: as Python's numbers they would take ten times the memory."""
    count = header.width * header.height * header.channels
    values = np.empty(count, np.uint8 if header.maxval < 256 else np.uint16)
    done, rest = 0, b""
    file.seek(header.at)
    while done < count:
        block = file.read(_READ)
        text, rest = _whole_words(rest + block, last=not block)
        numbers = _digits(text) if header.kind == "1" else _words(text, int(header.maxval))
        taken = numbers[: count - done]
        values[done : done + len(taken)] = taken
        done += len(taken)
        if not block and done < count:
            raise _cut()
    return values


def _whole_words(text: bytes, *, last: bool) -> tuple[bytes, bytes]:
    """What can be read now, and what goes on in the next block; comments are taken out."""
    end = len(text) if last else max(text.rfind(space) for space in (b"\n", b"\r")) + 1
    if not end and b"#" not in text:
        end = max(text.rfind(space) for space in (b" ", b"\t")) + 1
    return _COMMENT.sub(b"", text[:end]), text[end:]


def _words(text: bytes, maxval: int) -> NDArray[np.int64]:
    if re.search(rb"[^0-9\s]|[0-9]{7}", text):
        raise ImageError("damaged image (something other than a number stands among its pixels)")
    numbers = np.fromstring(text.decode("ascii"), np.int64, sep=" ") if text.strip() else np.empty(0, np.int64)
    if numbers.size and int(numbers.max()) > maxval:
        raise ImageError(f"damaged image (a value is greater than {maxval}, which the file states as its greatest)")
    return numbers


def _digits(text: bytes) -> NDArray[np.uint8]:
    if re.search(rb"[^01\s]", text):
        raise ImageError("damaged image (something other than 0 and 1 stands among its pixels)")
    codes = np.frombuffer(text, np.uint8)
    return np.asarray(codes[(codes == ord("0")) | (codes == ord("1"))] - np.uint8(ord("0")))
