"""Opens every listed image in full, so that nothing later stumbles over a damaged file.

With a `Preprocess`, an image is judged as the device will see it: one that the region of interest misses can't be used,
and whether a frame shows anything is asked of the network's input, after the window.
"""

from __future__ import annotations

import dataclasses
import functools
import hashlib
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from edgefs.data.duplicates import fingerprint_of
from edgefs.data.layouts.folders import Listed
from edgefs.data.samples import LeftOut, Sample
from edgefs.data.windows import choose_window, white_of
from edgefs_runtime.base.errors import DataError, ImageError
from edgefs_runtime.base.wording import counted
from edgefs_runtime.images import Picture, open_image
from edgefs_runtime.images.preprocess import Preprocess
from edgefs_runtime.images.usable import Window, sight_of, unusable

Progress = Callable[[int, int], None]  # (images done, images in all), called in the caller's thread
Item = TypeVar("Item", Listed, Sample)
Done = TypeVar("Done")
_THREADS = 2  # Pillow decodes outside the interpreter's lock; more gain little and hold more images in memory
_SMALL = 16_000  # bytes of a file, below which so little is decoded that two threads hold each other up
_LOOKED_AT = 32  # files that tell how large they are


@dataclass(frozen=True)
class ReadImages:
    """What came of some listed images.

    Attributes:
        samples: usable ones; `Sample.blank` says of which the network sees nothing.
        left_out: the others, with the reason why not.
        window: (black, white) through which frames of more than 8 bits were looked at; None where none was.
    """

    samples: list[Sample]
    left_out: list[LeftOut]
    window: Window | None = None


def read_images(
    images: Sequence[Listed],
    progress: Progress | None = None,
    preprocess: Preprocess | None = None,
    *,
    choose: bool = False,
) -> ReadImages:
    """Decode each image.

    Args:
        images: what to read.
        progress: called with (images done, images in all).
        preprocess: from file to network input; without it, files are judged as they are.
        choose: take the window that holds the images that may teach, in the place of the one `preprocess` names.
    """
    found = _each(images, functools.partial(_read, preprocess=preprocess), progress)
    samples = [one for one in found if isinstance(one, Sample)]
    left_out = [one for one in found if isinstance(one, LeftOut)]
    if preprocess is None or not any(sample.bits > 8 for sample in samples):
        return ReadImages(samples, left_out)
    window = choose_window(samples) if choose else None
    if window is None or window == preprocess.window:
        return ReadImages(samples, left_out, preprocess.window)
    chosen = dataclasses.replace(preprocess, window=window)
    return ReadImages(_through(samples, chosen, progress), left_out, window)


def _through(samples: Sequence[Sample], preprocess: Preprocess, progress: Progress | None) -> list[Sample]:
    """Look at the images again, through another window."""

    def looked_at(sample: Sample) -> Sample:
        picture = preprocess.open(sample.path)
        return dataclasses.replace(sample, blank=sight_of(picture, preprocess).reason)

    return _each(samples, looked_at, progress)


def _each(items: Sequence[Item], work: Callable[[Item], Done], progress: Progress | None) -> list[Done]:
    """Do `work` to each sample, and give the results in their order."""
    results: list[Done] = []
    pool = ThreadPoolExecutor(1 if _are_small([item.path for item in items]) else _THREADS)
    try:
        for done, result in enumerate(pool.map(work, items), start=1):
            results.append(result)
            if progress is not None:
                progress(done, len(items))
    finally:
        pool.shutdown(cancel_futures=True)  # Ctrl-C must not wait for thousands of images
    return results


def _are_small(paths: Sequence[Path]) -> bool:
    chosen = paths[:: max(1, len(paths) // _LOOKED_AT)]
    try:
        return sum(path.stat().st_size for path in chosen) < _SMALL * len(chosen)
    except OSError:
        return False


def read_unlabelled(
    paths: Sequence[Path],
    folder: Path,
    fewest: int,
    purpose: str,
    progress: Progress | None = None,
    preprocess: Preprocess | None = None,
    *,
    choose: bool = False,
) -> ReadImages:
    """Decode images that have no labels; blank ones are left out, too.

    Args:
        paths: of the files.
        folder: where they lie, for the message.
        fewest: usable images that are needed.
        purpose: what for, as a phrase.
        progress: called with (images done, images in all).
        preprocess: as for `read_images`.
        choose: as for `read_images`.

    Raises:
        DataError: there are fewer.
    """
    found = read_images([Listed(path, "") for path in paths], progress, preprocess, choose=choose)
    left_out = [*found.left_out, *(LeftOut(image.path, image.blank) for image in found.samples if image.blank)]
    images = [image for image in found.samples if not image.blank]
    if len(images) < fewest:
        why = f" (the first of {counted(len(left_out), 'file')} left out: {left_out[0].reason})" if left_out else ""
        raise DataError(
            f"{folder}: {counted(len(images), 'usable image')}{why}; at least {fewest} are needed {purpose}"
        )
    return ReadImages(images, left_out, found.window)


def _read(listed: Listed, preprocess: Preprocess | None) -> Sample | LeftOut:
    try:
        if not listed.path.is_file():  # gone, a broken link, or a pipe that would never end
            return LeftOut(listed.path, "no such file")
        data = listed.path.read_bytes()
        picture = open_image(data) if preprocess is None else preprocess.open(data)
        blank = _blank(picture) if preprocess is None else sight_of(picture, preprocess).reason
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
        fingerprint=fingerprint_of(picture),
        blank=blank,
        white=0 if picture.bits == 8 else white_of(_in_region(picture.pixels, preprocess), picture.white),
    )


def _in_region(pixels: NDArray[np.uint16], preprocess: Preprocess | None) -> NDArray[np.uint16]:
    """What the network is shown: beside it may stand a date, whiter than any part."""
    if preprocess is None or preprocess.roi is None:
        return pixels
    left, top, width, height = preprocess.roi
    return pixels[top : top + height, left : left + width]


def _blank(picture: Picture) -> str:
    pixels = picture.pixels
    if pixels.dtype != np.uint8:  # which window of 16 bits is looked at is not known here; nothing at all is nothing
        return "constant frame" if pixels.min() == pixels.max() else ""
    return unusable(pixels)
