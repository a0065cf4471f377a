"""Image files as files: their bytes, and the digest that names one."""

from __future__ import annotations

import hashlib
from pathlib import Path

from edgefs_runtime.base.errors import ImageError

_BLOCK = 1 << 20  # bytes


def content_digest(source: bytes | Path) -> str:
    """Lower-case hex SHA-256 of an image file's bytes: its identity in caches, galleries and RUN folders."""
    if isinstance(source, bytes):
        return hashlib.sha256(source).hexdigest()
    digest = hashlib.sha256()
    with source.open("rb") as file:
        while block := file.read(_BLOCK):
            digest.update(block)
    return digest.hexdigest()


def read_file(path: Path) -> bytes:
    """The bytes of a file that should be an image.

    Raises:
        ImageError: no such file, or it can't be read.
    """
    try:
        return path.read_bytes()
    except FileNotFoundError as error:
        raise ImageError("no such file") from error
    except OSError as error:
        raise ImageError(f"can't be read ({error.strerror})") from error
