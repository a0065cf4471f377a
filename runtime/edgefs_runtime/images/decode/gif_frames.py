"""How many frames a GIF holds, found without decoding one: Pillow would look through a damaged file byte by byte."""

from __future__ import annotations

from typing import BinaryIO

from edgefs_runtime.base.errors import ImageError
from edgefs_runtime.images.picture import MOST_PAGES

_EXTENSION, _FRAME = b"!", b","
_MOST_BETWEEN = 4096  # stray bytes between two blocks


def count_frames(file: BinaryIO) -> int:
    """Frames up to `MOST_PAGES`, of a GIF that is open for reading.

    Raises:
        ImageError: the file ends, or holds something else, before its first frame.
    """
    file.seek(10)
    _skip_colours(file, file.read(1))
    file.seek(2, 1)
    count, stray = 0, 0
    while count < MOST_PAGES and (kind := file.read(1)) not in (b"", b";"):
        if kind == _EXTENSION:
            file.seek(1, 1)
            _skip_blocks(file)
        elif kind == _FRAME:
            count += 1
            file.seek(8, 1)
            _skip_colours(file, file.read(1))
            file.seek(1, 1)
            _skip_blocks(file)
        elif (stray := stray + 1) > _MOST_BETWEEN:
            break
    if not count:
        raise ImageError("damaged image (it ends before its first frame)")
    return count


def _skip_colours(file: BinaryIO, flags: bytes) -> None:
    if flags and flags[0] & 0x80:
        file.seek(3 << ((flags[0] & 7) + 1), 1)


def _skip_blocks(file: BinaryIO) -> None:
    while (length := file.read(1)) not in (b"", b"\0"):
        file.seek(length[0], 1)
