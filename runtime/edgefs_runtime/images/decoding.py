"""The one place that settles what is seen, whatever a picture comes in.

`DECODERS` is the plug-in point: a decoder is one file, and one line that says how such files begin.

What a file is, its content says and not its name. Its size is checked from its header before anything is decoded, by
the limit of its kind (docs/data.md lists them). Metadata other than the orientation is passed over, and every fault
comes out as an `ImageError` with a reason that fits in a list of left-out files. Pillow's decoders are called one by
one and its global limits left alone: a frame may be decoded in any thread, and how Pillow behaves elsewhere in the
process is not ours to change.
"""

from __future__ import annotations

import io
import os
import stat
import struct
from importlib import import_module
from pathlib import Path
from typing import BinaryIO, Literal, NamedTuple, Union

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from edgefs_runtime.base.errors import ImageError
from edgefs_runtime.base.wording import first_line
from edgefs_runtime.images.decode.alpha import lay_on_black
from edgefs_runtime.images.decode.orientation import of_info, upright
from edgefs_runtime.images.picture import USUAL, Asked, Limit, Picture

Damaged = Literal["refuse", "keep"]
ImageSource = Union[str, "os.PathLike[str]", bytes, Image.Image, NDArray[np.uint8], NDArray[np.uint16]]


class Decoder(NamedTuple):
    """What reads one kind of files.

    Attributes:
        begins: how they begin: one of these stands at `at`.
        reader: `module:function`, loaded when such a file is met. It takes the file and an `Asked`, returns a
            `Picture` and raises an `ImageError`; whatever else a damaged file makes it raise comes out as one too.
        suffixes: of the names of such files, by which they are found in a folder.
        at: bytes from the file's beginning.
        limit: how large such a picture may be.
    """

    begins: tuple[bytes, ...]
    reader: str
    suffixes: tuple[str, ...] = ()
    at: int = 0
    limit: Limit = USUAL


_READERS = "edgefs_runtime.images.decode"
_JPEGS = (".jpg", ".jpeg", ".jpe", ".jfif", ".jif", ".jfi", ".mpo")
_NETPBM = tuple(bytes((ord("P"), kind, space)) for kind in b"123456Ff" for space in b" \t\n\v\f\r#")
_NETPBM_SUFFIXES = (".pbm", ".pgm", ".ppm", ".pnm", ".pfm")
_TIFF = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")  # the latter two of 64 bits
_MB = 1_000_000
_PAGES = Limit(200 * _MB, 600 * _MB)  # 4 bytes of 150 megapixels
_PHOTOGRAPH = Limit(200 * _MB, 600 * _MB, 600 * _MB)
_FRAME = Limit(200 * _MB, 450 * _MB, 450 * _MB)  # 3 bytes of 150 megapixels
_SMALL = Limit(50 * _MB, 200 * _MB, 200 * _MB)  # no camera's format; telephones stay below
DECODERS: dict[str, Decoder] = {
    "JPEG": Decoder((b"\xff\xd8\xff",), f"{_READERS}.jpeg:read_jpeg", _JPEGS, limit=_PHOTOGRAPH),
    "PNG": Decoder((b"\x89PNG\r\n\x1a\n",), f"{_READERS}.png:read_png", (".png", ".apng"), limit=_FRAME),
    "TIFF": Decoder(_TIFF, f"{_READERS}.tiff:read_tiff", (".tif", ".tiff", ".btf", ".tf8", ".tf2"), limit=_PAGES),
    "netpbm": Decoder(_NETPBM, f"{_READERS}.netpbm:read_netpbm", _NETPBM_SUFFIXES, limit=_PAGES),
    "BMP": Decoder((b"BM",), f"{_READERS}.pillow:read_bmp", (".bmp", ".dib"), limit=_FRAME),
    "GIF": Decoder((b"GIF8",), f"{_READERS}.pillow:read_gif", (".gif",), limit=_SMALL),
    "WebP": Decoder((b"WEBP",), f"{_READERS}.pillow:read_webp", (".webp",), at=8, limit=_SMALL),
    "AVIF, HEIF": Decoder((b"ftyp",), f"{_READERS}.pillow:read_further", at=4, limit=_SMALL),  # `formats` says which
}
_HEAD = 32  # bytes that tell formats apart
_FAULTS = (  # of decoders, over what a damaged file made them believe
    *(OSError, SyntaxError, ValueError, EOFError, TypeError, KeyError, IndexError),
    *(OverflowError, RuntimeError, struct.error),
)
_NOT_READ = ("unsupported", "not supported", "not yet supported", "unknown", "cannot handle")  # in Pillow's words


def open_image(
    source: ImageSource | Picture, *, page: int | None = None, damaged: Damaged = "refuse", counts: bool = False
) -> Picture:
    """Decode `source` to the upright picture that is seen.

    Args:
        source: a path, the bytes of an image file, a Pillow image, a picture that was opened before, or an array: uint8
            or uint16 `[H,W]`, `[H,W,1]`, `[H,W,3]` in RGB order, or `[H,W,4]` with alpha.
        page: which of a file's pages or frames, from 1; None where there must be just one.
        damaged: `keep` takes what can be decoded of a JPEG whose scan is damaged.
        counts: whether a window says what is black and white, so that whole numbers in files of 32 bits, which don't
            say it, are raw counts.

    Raises:
        ImageError: not an image, damaged, empty, larger than the limit of its kind, of several pages, of values that
            are no picture's, or an array of another shape or dtype.
    """
    if isinstance(source, Picture):
        return source
    if isinstance(source, np.ndarray):
        return _from_array(source)
    try:
        if isinstance(source, Image.Image):
            return upright(_loaded(source, counts), of_info(source.info))
        with io.BytesIO(source) if isinstance(source, bytes) else _opened(Path(source)) as file:
            return _decoded(file, Asked(page, damaged == "keep", counts))
    except Image.DecompressionBombError as error:
        raise ImageError("larger than any picture that is read, refused before decoding; cut it into parts") from error
    except MemoryError as error:
        raise ImageError("more than this machine has memory for; cut it into parts") from error
    except ImageError:
        raise
    except _FAULTS as error:
        if isinstance(error, FileNotFoundError):
            raise ImageError("no such file") from error
        if isinstance(error, OSError) and error.errno:
            raise ImageError(f"can't be read ({error.strerror})") from error
        said = first_line(error)
        if any(words in said.lower() for words in _NOT_READ):
            raise ImageError(f"an image of a kind that can't be read ({said}); save it as PNG or TIFF") from error
        raise ImageError(f"damaged image ({said})") from error


def _opened(path: Path) -> BinaryIO:
    """A file; to open a pipe would wait for whoever writes into it."""
    if not stat.S_ISREG(mode := path.stat().st_mode) and not stat.S_ISDIR(mode):
        raise ImageError("not a file but a pipe or a device; give its bytes, or save it first")
    return path.open("rb")


def _decoded(file: BinaryIO, asked: Asked) -> Picture:
    head = file.read(_HEAD)
    if not head:
        raise ImageError("empty file (0 bytes)")
    for name, decoder in DECODERS.items():
        if head.startswith(decoder.begins, decoder.at):
            size, most = file.seek(0, io.SEEK_END), decoder.limit.file_bytes
            if most is not None and size > most:
                raise ImageError(f"a {name} file of {size:,} bytes, more than {most:,}, refused before decoding")
            file.seek(0)
            module, _, function = decoder.reader.partition(":")
            wanted = asked._replace(limit=decoder.limit)
            picture: Picture = getattr(import_module(module), function)(file, wanted)
            return picture
    from edgefs_runtime.images.formats import NO_IMAGE

    raise ImageError(NO_IMAGE)


def _loaded(image: Image.Image, counts: bool) -> Picture:
    from edgefs_runtime.images.decode.pillow import picture_of

    return picture_of(image, counts)


def _from_array(array: NDArray[np.uint8] | NDArray[np.uint16]) -> Picture:
    channels = {2: 1}.get(array.ndim) or (array.shape[2] if array.ndim == 3 else 0)
    if array.dtype.kind != "u" or array.dtype.itemsize > 2 or channels not in (1, 3, 4) or array.size == 0:
        raise ImageError(
            f"array of shape {array.shape} and dtype {array.dtype}: expected uint8 or uint16, [H,W], [H,W,1], [H,W,3] "
            "or, with alpha, [H,W,4]"
        )
    pixels = array if array.dtype.isnative else array.astype(array.dtype.newbyteorder("="))
    if channels == 1:
        pixels = pixels.reshape(pixels.shape[:2])
    if channels == 4:
        pixels, alpha = np.array(pixels[:, :, :3]), pixels[:, :, 3]
        lay_on_black(pixels, alpha)
    return Picture(pixels, 255 if pixels.dtype == np.uint8 else 65535)
