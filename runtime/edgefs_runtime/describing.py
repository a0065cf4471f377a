"""What the gallery keeps of an image that teaches."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from edgefs_runtime.embedder import Embedder
from edgefs_runtime.errors import ImageError
from edgefs_runtime.frames import unusable
from edgefs_runtime.images import ImageSource, content_digest, open_image
from edgefs_runtime.preprocess import Preprocess


class Described(NamedTuple):
    """Embeddings float32 `[1,V·D]` of one image's views, its digest, and its thumbnail or nothing."""

    vectors: NDArray[np.float32]
    digest: str
    thumbnail: bytes


def describe(image: ImageSource, preprocess: Preprocess, embedder: Embedder, keep: bool) -> Described:
    """Embed one image that teaches.

    Args:
        image: as `open_image` takes it.
        preprocess: of the bundle.
        embedder: of the bundle.
        keep: whether a thumbnail is kept.

    Raises:
        ImageError: it can't be read or shows nothing; the message names the file.
    """
    try:
        pixels = preprocess(image)
        if reason := unusable(pixels):
            raise ImageError(reason)
        vectors = np.concatenate([embedder.embed(view[None]) for view in preprocess.seen(pixels)], axis=1)
        return Described(vectors, _digest(image), _thumbnail(image) if keep else b"")
    except ImageError as error:
        name = f"{image}: " if isinstance(image, (str, Path)) else ""
        raise ImageError(f"{name}{error}; nothing was enrolled") from error


def _digest(image: ImageSource) -> str:
    """Of a file its bytes; of an array or a Pillow image, which have no file, their pixels."""
    if isinstance(image, bytes):
        return content_digest(image)
    if isinstance(image, (str, Path)):
        return content_digest(Path(image))
    pixels = np.ascontiguousarray(np.asarray(open_image(image)))
    return hashlib.sha256(f"{pixels.shape} {pixels.dtype}\n".encode() + pixels.tobytes()).hexdigest()


def _thumbnail(image: ImageSource) -> bytes:
    from edgefs_runtime.thumbnails import KEPT_SIDE, thumbnail

    return thumbnail(image, shorter=KEPT_SIDE)
