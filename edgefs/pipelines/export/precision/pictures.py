"""The pictures that int8 ranges are measured on: of the images that taught, or of a folder of others."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edgefs.data import Sample
from edgefs.data.splits.parts import draw_key
from edgefs.embedding.torch_embedder import OneByOne
from edgefs.progress import Progress
from edgefs_calibration.int8.activations import MIN_IMAGES
from edgefs_calibration.int8.sampling import balanced_sample, k_center
from edgefs_runtime.base.errors import DataError, ImageError
from edgefs_runtime.embedders.onnx import OnnxEmbedder
from edgefs_runtime.images import content_digest
from edgefs_runtime.images.listing import list_images, passed_over
from edgefs_runtime.images.preprocess import Preprocess
from edgefs_runtime.images.usable import sight_of

_LOOKED_AT = 1000  # images of a folder


def of_samples(
    samples: Sequence[Sample], preprocess: Preprocess, model: bytes, count: int, select: str, progress: Progress
) -> NDArray[np.uint8]:
    """At most `count` pictures `[N,H,W,3]` of images that taught; where they are few, in their other views too.

    Args:
        samples: images that were found to be readable.
        preprocess: from file to network input.
        model: float32, for `k-center`.
        count: pictures wanted.
        select: `balanced_sample` over classes and parts, or `k-center`.
        progress: called with (images done, images in all).
    """
    seen = [preprocess(sample.path) for sample in samples]
    labels, parts = [sample.label for sample in samples], [sample.group for sample in samples]
    digests = [sample.digest for sample in samples]
    chosen = _chosen(np.stack(seen), labels, parts, digests, model, count, select)
    progress(len(samples), len(samples))
    views = [preprocess.seen(seen[place]) for place in chosen]
    pictures = [one[turn] for turn in range(len(views[0])) for one in views]
    if len(pictures) < MIN_IMAGES:
        raise DataError(
            f"int8 needs at least {MIN_IMAGES} calibration pictures, {len(pictures)} taught; "
            "pass --calibration DIR with images of the line, labelled or not"
        )
    return np.stack(pictures[:count])


def of_folder(
    folder: Path, preprocess: Preprocess, model: bytes, count: int, select: str, progress: Progress
) -> NDArray[np.uint8]:
    """At most `count` pictures `[N,H,W,3]` of a folder; the folders in it, if any, are its classes.

    Raises:
        DataError: no such folder, or fewer than `MIN_IMAGES` usable images in it.
    """
    if not folder.is_dir():
        raise DataError(f"--calibration {folder}: no such folder; expected a folder of images")
    paths, others = list_images(folder)
    different = {content_digest(path): path for path in paths}
    named = sorted(different.items(), key=lambda item: draw_key(0, "calibration", item[0]))[:_LOOKED_AT]
    seen: dict[str, tuple[Path, NDArray[np.uint8]]] = {}  # by digest
    for done, (digest, path) in enumerate(named, start=1):
        progress(done, len(named))
        try:
            pixels, reason = sight_of(path, preprocess)
        except ImageError:
            continue
        if not reason:
            seen[digest] = (path, pixels)
    if len(seen) < MIN_IMAGES:
        raise DataError(
            f"--calibration {folder}: {len(seen)} different, usable images of {len(paths)}; "
            f"int8 needs at least {MIN_IMAGES}{f'; {passed_over(others)}'.rstrip('.') if others else ''}"
        )
    labels = [path.parent.name for path, _ in seen.values()]
    pictures = np.stack([pixels for _, pixels in seen.values()])
    return pictures[_chosen(pictures, labels, [""] * len(seen), list(seen), model, count, select)]


def _chosen(
    pictures: NDArray[np.uint8],
    labels: Sequence[str],
    parts: Sequence[str],
    digests: Sequence[str],
    model: bytes,
    count: int,
    select: str,
) -> list[int]:
    if select == "k-center" and count < len(pictures):
        return k_center(OneByOne(OnnxEmbedder(model)).embed(pictures), count, seed=0)
    return balanced_sample(labels, parts, digests, count, seed=0)
