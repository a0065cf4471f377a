"""What the gallery keeps of images that teach, and what a refinement looks at of those that nobody labelled."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from edgefs_runtime.base.errors import GalleryError, ImageError
from edgefs_runtime.base.labels import entered_label
from edgefs_runtime.base.wording import counted
from edgefs_runtime.decision.decision import NO_NUMBER, Disposition, default_disposition
from edgefs_runtime.decision.snapshot import Enrolment
from edgefs_runtime.embedders.protocol import Embedder
from edgefs_runtime.images import ImageSource, content_digest, open_image
from edgefs_runtime.images import kept as pictures
from edgefs_runtime.images.preprocess import Preprocess
from edgefs_runtime.images.sources import Frame, Images, frames_of
from edgefs_runtime.images.transfer import Lack, Transferred, transferred
from edgefs_runtime.images.usable import sight_of, unusable

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
        again: how many of the images the gallery held already, by the class it held them as.
        pending: whether they wait for an approver and don't decide yet.
    """

    label: str
    disposition: Disposition
    images: int
    total: int
    is_new: bool
    gallery: int
    head_note: str = ""
    again: Mapping[str, int] = field(default_factory=dict)
    pending: bool = False


@dataclass(frozen=True)
class Teaching:
    """How a bundle sees images that teach."""

    preprocess: Preprocess
    embedder: Embedder

    def enrolment(
        self,
        label: str,
        images: Images,
        disposition: Disposition | None,
        groups: Sequence[str] | None,
        keep: bool,
        known: Mapping[str, Disposition],
    ) -> Enrolment:
        """What teaching images as a class would add.

        Args:
            label: the class, in any spelling (`edgefs_runtime.base.labels`).
            images: as `edgefs_runtime.images.sources` takes them apart.
            disposition: what the line does with such parts; None takes what is known of the class, else what its name
                says.
            groups: for each image the physical part it shows.
            keep: whether pictures are kept.
            known: dispositions of the gallery's classes.

        Raises:
            ImageError: one can't be read or shows nothing; the message names it.
            GalleryError: the label is not usable, no image was given, or there are more or fewer groups than images.
        """
        label = entered_label(label, known)
        frames = list(frames_of(images))
        if not frames:
            raise GalleryError(f"no image of {label!r} was given; enroll at least one, better five of different parts")
        groups = [groups] if isinstance(groups, str) else groups
        if groups and len(groups) != len(frames):
            raise GalleryError(
                f"{counted(len(frames), 'image')} of {label!r} and {len(groups)} groups; expected one for each"
            )
        if disposition not in (None, "ok", "defect"):
            raise GalleryError(f"the disposition of {label!r} is {disposition!r}; expected 'ok' or 'defect'")
        vectors, digests, thumbnails = zip(*(self._described(frame, keep) for frame in frames), strict=True)
        return Enrolment(
            label=label,
            disposition=disposition or known.get(label) or default_disposition(label),
            vectors=np.concatenate(vectors),
            digests=digests,
            groups=tuple(groups or ()),
            thumbnails=thumbnails,
            region=self.preprocess.roi if keep else None,
        )

    def embed(self, images: Images, *, views: bool) -> NDArray[np.float32]:
        """Embeddings `[N,D]` of images, or `[N,V·D]` of all views, a batch of one each.

        Raises:
            ImageError: one can't be read; the message names it.
        """
        width = self.embedder.dim * (self.preprocess.views if views else 1)
        rows = [self._row(frame, views) for frame in frames_of(images)]
        return np.concatenate(rows) if rows else np.empty((0, width), np.float32)

    def pixels(self, frame: Frame) -> NDArray[np.uint8]:
        """What the network sees of one image, uint8 RGB `[H,W,3]`.

        Raises:
            ImageError: it can't be read; the message names it.
        """
        try:
            return self.preprocess(frame.source())
        except ImageError as error:
            raise frame.named(error) from error

    def embed_picture(self, data: bytes) -> NDArray[np.float32]:
        """Embeddings `[V·D]` of all views of a kept picture of this bundle, as `seen_again` takes it.

        Raises:
            ImageError: it can't be read, shows nothing, or lacks what this bundle looks at.
        """
        seen = self.seen_again(data, self.preprocess.roi)
        if isinstance(seen, str):
            raise ImageError(f"a kept picture lacks the {seen} that this bundle looks at")
        return self.embed_seen(seen)

    def embed_seen(self, seen: Transferred) -> NDArray[np.float32]:
        """Embeddings `[V·D]` of all views of a kept picture.

        Raises:
            ImageError: the network makes no number of it.
        """
        row: NDArray[np.float32] = self._views(seen.pixels, views=True)[0]
        return row

    def seen_again(self, data: bytes, region: tuple[int, int, int, int] | None) -> Transferred | Lack:
        """What this bundle sees of a kept picture, or what the picture lacks for it.

        Args:
            data: the PNG, or the JPEG that galleries of before kept.
            region: (left, top, width, height), pixels of the frame, that a JPEG shows; None for all of it.

        Raises:
            ImageError: it can't be read or shows nothing.
        """
        if pictures.is_lossless(data):
            seen = transferred(pictures.read_picture(data), self.preprocess)
        elif region != self.preprocess.roi:
            return "region"
        else:
            pictures.refuse_strange_picture(data)
            whole = dataclasses.replace(self.preprocess, roi=None, page=None)
            seen = Transferred(whole(data), "kept as a small JPEG, asked as the frame was")
        if isinstance(seen, Transferred) and (reason := unusable(seen.pixels)):
            raise ImageError(reason)
        return seen

    def unlabelled(self, images: Images) -> list[Seen]:
        """The last images that can be judged, in their order; the others are passed over."""
        found: list[Seen] = []
        for frame in reversed(list(frames_of(images))):
            if len(found) == MOST_UNLABELLED:
                break
            try:
                pixels, reason = sight_of(frame.source(), self.preprocess)
            except ImageError:
                continue
            vector = None if reason else self.embedder.embed(pixels[None])[0]
            if vector is not None and np.isfinite(vector).all():
                found.append(Seen(vector, hashlib.sha256(pixels.tobytes()).hexdigest()))
        return found[::-1]

    def _row(self, frame: Frame, views: bool) -> NDArray[np.float32]:
        try:
            return self._views(self.pixels(frame), views)
        except ImageError as error:
            raise frame.named(error) from error

    def _views(self, pixels: NDArray[np.uint8], views: bool) -> NDArray[np.float32]:
        """Embeddings `[1,D]` or `[1,V·D]`: what is no number must not be taught, nor compared with anything."""
        seen = self.preprocess.seen(pixels) if views else pixels[None]
        found = np.concatenate([self.embedder.embed(view[None]) for view in seen], axis=1)
        if not np.isfinite(found).all():
            raise ImageError(NO_NUMBER)
        return found

    def _described(self, frame: Frame, keep: bool) -> tuple[NDArray[np.float32], str, bytes]:
        """Embeddings float32 `[1,V·D]` of one image's views, its digest, and its kept picture or nothing."""
        try:
            source = frame.source()
            picture = self.preprocess.open(source) if keep else None
            pixels, reason = sight_of(picture or source, self.preprocess)
            if reason:
                raise ImageError(reason)
            kept = pictures.keep_picture(pixels, self.preprocess, pictures.Frame.of(picture)) if picture else b""
            return self._views(pixels, views=True), _digest(source), kept
        except ImageError as error:
            raise ImageError(f"{error.reason}; nothing was enrolled", str(frame.path or frame.name)) from error


def _digest(image: ImageSource) -> str:
    """Digest of a file's bytes, or of the pixels of an array or a Pillow image, which have no file."""
    if isinstance(image, bytes):
        return content_digest(image)
    if isinstance(image, (str, Path)):
        return content_digest(Path(image))
    pixels = np.ascontiguousarray(open_image(image).pixels)
    return hashlib.sha256(f"{pixels.shape} {pixels.dtype}\n".encode() + pixels.tobytes()).hexdigest()
