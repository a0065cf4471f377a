"""Kinds of image files beside those that are always read (`decoding.DECODERS`): what an extra reads, what is not read.

HEIC and AVIF are opened by decoders that are loaded when such a file is met, and never before: most devices meet none.
"""

from __future__ import annotations

import functools
from importlib.util import find_spec

from edgefs_runtime.base.errors import ImageError

HEIF_SUFFIXES = frozenset({".heic", ".heics", ".heif", ".heifs", ".hif"})
AVIF_SUFFIXES = frozenset({".avif", ".avifs"})
# Pictures that nothing here reads: who keeps them should hear what to do.
UNREAD_SUFFIXES = frozenset(
    {
        *(".jp2", ".j2k", ".jpf", ".jpx", ".j2c", ".jpc", ".jxl", ".jxr", ".wdp", ".hdp"),
        *(".dng", ".raw", ".cr2", ".cr3", ".crw", ".nef", ".nrw", ".arw", ".sr2", ".orf", ".rw2", ".raf", ".pef"),
        *(".srw", ".x3f", ".3fr", ".iiq", ".erf", ".kdc", ".mrw", ".tga", ".pcx", ".sgi", ".exr", ".psd", ".pam"),
        *(".dcm", ".dicom", ".fits", ".fit", ".xcf"),
    }
)

NO_IMAGE = "not an image in a format that can be read; save it as PNG, JPEG or TIFF"

_HEIF_BRANDS = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs", b"mif1", b"msf1")
_AVIF_BRANDS = (b"avif", b"avis")


@functools.lru_cache(maxsize=1)
def reads_heif() -> bool:
    """Whether the extra that reads HEIC is installed."""
    return find_spec("pillow_heif") is not None


@functools.lru_cache(maxsize=1)
def reads_avif() -> bool:
    """Whether this Pillow reads AVIF: since 11.3, where it was built with libavif."""
    from PIL import features

    return "avif" in features.get_supported()


def further_format(head: bytes) -> str:
    """Pillow's name of the format that a file of the AVIF and HEIF family is in.

    Args:
        head: the file's first 32 bytes or more.

    Raises:
        ImageError: none of them, or of a kind that needs an extra which is not installed.
    """
    brands = {head[start : start + 4] for start in (8, *range(16, 32, 4))}
    if brands & set(_AVIF_BRANDS):
        if not reads_avif():
            raise ImageError("an AVIF image; to read it install Pillow 11.3 or newer, or convert it to PNG or JPEG")
        return "AVIF"
    if brands & set(_HEIF_BRANDS):
        _register_heif()
        return "HEIF"
    raise ImageError(NO_IMAGE)


@functools.lru_cache(maxsize=1)
def _register_heif() -> None:
    """Make Pillow know HEIC, once."""
    try:
        import pillow_heif
    except ImportError as error:
        raise ImageError('a HEIC image; to read it pip install "edgefs[heif]", or convert it to PNG or JPEG') from error
    pillow_heif.register_heif_opener()
