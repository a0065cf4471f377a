"""What the gallery keeps of images that teach, and what a refinement looks at of those that nobody labelled."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from edgefs_runtime.decision import Disposition, default_disposition
from edgefs_runtime.embedder import Embedder
from edgefs_runtime.errors import GalleryError, ImageError
from edgefs_runtime.frames import unusable
from edgefs_runtime.images import ImageSource, content_digest, open_image
from edgefs_runtime.labels import entered_label
from edgefs_runtime.preprocess import Preprocess
from edgefs_runtime.snapshot import Enrolment

MOST_UNLABELLED = 200  # images that a refinement or a realignment looks at


class Seen(NamedTuple):
    """Embedding float32 `[D]` of one unlabelled image, and the digest of its pixels."""

    vector: NDArray[np.float32]
    digest: str


@dataclass(frozen=True)
class Taught:
    """What one `enroll` did.

    Attributes:
        label: the class.
        disposition: what the line does with its parts.
        images: how many were enrolled now.
        total: how many images of the class the gallery holds.
        is_new: whether the gallery did not know the class before.
        gallery: sequence of the gallery now.
        head_note: a sentence, where another head decides from now on; else empty.
    """

    label: str
    disposition: Disposition
    images: int
    total: int
    is_new: bool
    gallery: int
    head_note: str = ""


@dataclass(frozen=True)
class Teaching:
    """How a bundle sees images that teach."""

    preprocess: Preprocess
    embedder: Embedder

    def enrolment(
        self,
        label: str,
        images: Sequence[ImageSource],
        disposition: Disposition | None,
        groups: Sequence[str] | None,
        keep: bool,
        known: Mapping[str, Disposition],
    ) -> Enrolment:
        """What teaching images as a class would add.

        Args:
            label: the class, in any spelling (`edgefs_runtime.labels`).
            images: as `open_image` takes them.
            disposition: what the line does with such parts; None takes what is known of the class, else what its name
                says.
            groups: for each image the physical part it shows.
            keep: whether thumbnails are kept.
            known: dispositions of the gallery's classes.

        Raises:
            ImageError: one can't be read or shows nothing; the message names the file.
            GalleryError: the label is not usable, or no image was given.
        """
        label = entered_label(label, known)
        if not images:
            raise GalleryError(f"no image of {label!r} was given; enroll at least one, better five of different parts")
        vectors, digests, thumbnails = zip(*(self._described(image, keep) for image in images), strict=True)
        return Enrolment(
            label=label,
            disposition=disposition or known.get(label) or default_disposition(label),
            vectors=np.concatenate(vectors),
            digests=digests,
            groups=tuple(groups or ()),
            thumbnails=thumbnails,
        )

    def embed(self, images: Sequence[ImageSource], *, views: bool) -> NDArray[np.float32]:
        """Embeddings `[N,D]` of images, or `[N,V·D]` of all views, a batch of one each.

        Raises:
            ImageError: one can't be read.
        """
        return np.concatenate([self._views(self.preprocess(image), views) for image in images])

    def unlabelled(self, images: Sequence[ImageSource]) -> list[Seen]:
        """The last images that can be judged, in their order; the others are passed over."""
        found: list[Seen] = []
        for image in reversed(images):
            if len(found) == MOST_UNLABELLED:
                break
            try:
                pixels = self.preprocess(image)
            except ImageError:
                continue
            if not unusable(pixels):
                digest = hashlib.sha256(pixels.tobytes()).hexdigest()
                found.append(Seen(self.embedder.embed(pixels[None])[0], digest))
        return found[::-1]

    def _views(self, pixels: NDArray[np.uint8], views: bool) -> NDArray[np.float32]:
        seen = self.preprocess.seen(pixels) if views else pixels[None]
        return np.concatenate([self.embedder.embed(view[None]) for view in seen], axis=1)

    def _described(self, image: ImageSource, keep: bool) -> tuple[NDArray[np.float32], str, bytes]:
        """Embeddings float32 `[1,V·D]` of one image's views, its digest, and its thumbnail or nothing."""
        try:
            pixels = self.preprocess(image)
            if reason := unusable(pixels):
                raise ImageError(reason)
            return self._views(pixels, views=True), _digest(image), _thumbnail(image) if keep else b""
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
