"""The seed gallery: the labelled embeddings that a bundle brings along, made by its own embedder.

`gallery.npz`, in RUN folders and bundles, holds for N images in the order of their classes: `vectors` float32 [N,D];
`labels`, `dispositions`, `digests`, `groups` text [N]; `thumbnails` uint8, all kept pictures end to end; and `lengths`
int64 [N] of them. The pictures are PNG files (`images.kept`); those of before are JPEG files.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Sequence
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from edgefs_runtime.base.arrays import pack_arrays, unpack_arrays
from edgefs_runtime.base.errors import BundleError, GalleryError, ImageError
from edgefs_runtime.decision.decision import Disposition
from edgefs_runtime.decision.snapshot import Enrolment

_DIGEST = re.compile(r"[0-9a-f]{1,64}")
_LARGEST = 1e6  # number of an embedding
_TEXTS = ("labels", "dispositions", "digests", "groups")
_GALLERY = {"vectors": "f4", **dict.fromkeys(_TEXTS, "U"), "thumbnails": "u1", "lengths": "i8"}


def pack_gallery(enrolments: Sequence[Enrolment]) -> bytes:
    """A seed gallery as bytes."""
    pictures = [picture for enrolment in enrolments for picture in enrolment.thumbnails]
    rows = [(enrolment, row) for enrolment in enrolments for row in range(len(enrolment.vectors))]
    return pack_arrays(
        {
            "vectors": np.concatenate([enrolment.vectors for enrolment in enrolments]).astype(np.float32),
            "labels": np.array([enrolment.label for enrolment, _ in rows], np.str_),
            "dispositions": np.array([enrolment.disposition for enrolment, _ in rows], np.str_),
            "digests": np.array([enrolment.digests[row] for enrolment, row in rows], np.str_),
            "groups": np.array([enrolment.groups[row] for enrolment, row in rows], np.str_),
            "thumbnails": np.frombuffer(b"".join(pictures), np.uint8),
            "lengths": np.array([len(picture) for picture in pictures], np.int64),
        }
    )


def unpack_gallery(data: bytes, name: str = "gallery.npz") -> tuple[Enrolment, ...]:
    """One enrolment for each run of rows of one class.

    Raises:
        BundleError: the arrays are not those of a gallery, or don't fit together.
    """
    arrays = unpack_arrays(data, _GALLERY, name)
    vectors, lengths = arrays["vectors"], arrays["lengths"]
    n = lengths.size
    if vectors.ndim != 2 or arrays["thumbnails"].ndim != 1:
        raise BundleError(
            f"{name}: vectors or thumbnails have {vectors.ndim} and {arrays['thumbnails'].ndim} dimensions"
        )
    if any(arrays[key].shape != (n,) for key in (*_TEXTS, "lengths")):
        raise BundleError(f"{name}: the arrays don't describe the same number of images")
    whole = arrays["thumbnails"].size
    if len(vectors) != n or ((lengths < 0) | (lengths > whole)).any() or sum(lengths.tolist()) != whole:
        raise BundleError(f"{name}: the arrays don't describe the same number of images")
    if not (np.abs(vectors) <= _LARGEST).all():
        raise BundleError(f"{name} holds embeddings of NaN, infinity or numbers that no network makes")
    ends, every = np.cumsum(lengths).tolist(), arrays["thumbnails"].data
    try:
        pictures = [_picture(every[end - length : end]) for end, length in zip(ends, lengths.tolist(), strict=True)]
        return tuple(_enrolments(arrays, pictures))
    except (GalleryError, ImageError) as error:
        raise BundleError(f"{name}: {error}") from error


def _picture(data: memoryview) -> bytes:
    """One kept picture, looked at before it is copied; most bundles bring none."""
    if not data:
        return b""
    from edgefs_runtime.images.kept import refuse_strange_picture

    refuse_strange_picture(data)
    return data.tobytes()


def _enrolments(arrays: dict[str, NDArray[Any]], pictures: list[bytes]) -> list[Enrolment]:
    classes = list(zip(arrays["labels"].tolist(), arrays["dispositions"].tolist(), strict=True))
    found = []
    for (label, disposition), rows in itertools.groupby(range(len(classes)), key=lambda row: classes[row]):
        if disposition not in ("ok", "defect"):
            raise BundleError(f"gallery.npz: {label!r} has disposition {disposition!r}; expected ok or defect")
        span = list(rows)
        if not all(map(_DIGEST.fullmatch, arrays["digests"][span].tolist())):
            raise BundleError(f"gallery.npz: {label!r} has an image whose digest is no hex number")
        found.append(
            Enrolment(
                label=label,
                disposition=cast(Disposition, disposition),
                vectors=arrays["vectors"][span[0] : span[-1] + 1].astype(np.float32, copy=False),
                digests=tuple(arrays["digests"][span].tolist()),
                groups=tuple(arrays["groups"][span].tolist()),
                thumbnails=tuple(pictures[row] for row in span),
            )
        )
    return found
