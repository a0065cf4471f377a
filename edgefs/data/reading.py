"""Opens every listed image once, in full, so that nothing later stumbles over a damaged file."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import numpy as np

from edgefs.data.duplicates import thumbnail
from edgefs.data.layouts import Listed
from edgefs.data.samples import LeftOut, Sample
from edgefs.data.wording import counted
from edgefs_runtime.errors import DataError, ImageError
from edgefs_runtime.frames import unusable
from edgefs_runtime.images import Picture, open_image
from edgefs_runtime.preprocess import Preprocess

Progress = Callable[[int, int], None]  # (images done, images in all), called in the caller's thread
_THREADS = 2  # Pillow decodes outside the interpreter's lock; more gain little and hold more images in memory


def read_images(
    images: Sequence[Listed], progress: Progress | None = None, preprocess: Preprocess | None = None
) -> tuple[list[Sample], list[LeftOut]]:
    """Decode each image: usable ones as samples, the others with the reason why not.

    Args:
        images: what was found.
        progress: called with (images done, images in all).
        preprocess: how frames will be looked at: which page of a file, and whether damaged ones are kept.
    """
    read = partial(_read, decode=preprocess.open if preprocess else open_image)
    samples: list[Sample] = []
    left_out: list[LeftOut] = []
    pool = ThreadPoolExecutor(_THREADS)
    try:
        for done, result in enumerate(pool.map(read, images), start=1):
            if isinstance(result, Sample):
                samples.append(result)
            else:
                left_out.append(result)
            if progress is not None:
                progress(done, len(images))
    finally:
        pool.shutdown(cancel_futures=True)  # Ctrl-C must not wait for thousands of images
    return samples, left_out


def read_unlabelled(
    paths: Sequence[Path],
    folder: Path,
    fewest: int,
    purpose: str,
    progress: Progress | None = None,
    preprocess: Preprocess | None = None,
) -> tuple[list[Sample], list[LeftOut]]:
    """Decode images that have no labels; blank ones are left out, too.

    Args:
        paths: of the files.
        folder: where they lie, for the message.
        fewest: usable images that are needed.
        purpose: what for, as a phrase.
        progress: called with (images done, images in all).
        preprocess: as in `read_images`.

    Raises:
        DataError: there are fewer.
    """
    images, left_out = read_images([Listed(path, "") for path in paths], progress, preprocess)
    left_out += [LeftOut(image.path, image.blank) for image in images if image.blank]
    images = [image for image in images if not image.blank]
    if len(images) < fewest:
        raise DataError(f"{folder}: {counted(len(images), 'usable image')}; at least {fewest} are needed {purpose}")
    return images, left_out


def _read(listed: Listed, decode: Callable[[bytes], Picture]) -> Sample | LeftOut:
    if not listed.path.is_file():  # gone, a broken link, or a pipe that would never end
        return LeftOut(listed.path, "no such file")
    try:
        data = listed.path.read_bytes()
        picture = decode(data)
    except OSError as error:
        return LeftOut(listed.path, f"can't be read ({error.strerror})")
    except ImageError as error:
        return LeftOut(listed.path, str(error))
    return Sample(
        path=listed.path,
        label=listed.label,
        group=listed.group,
        split=listed.split,
        digest=hashlib.sha256(data).hexdigest(),
        size=(picture.height, picture.width),
        bits=picture.bits,
        fingerprint=thumbnail(picture),
        blank=_blank(picture),
    )


def _blank(picture: Picture) -> str:
    pixels = picture.pixels
    if pixels.dtype != np.uint8:  # which window of 16 bits is looked at is not known here; nothing at all is nothing
        return "constant frame" if pixels.min() == pixels.max() else ""
    return unusable(pixels)
