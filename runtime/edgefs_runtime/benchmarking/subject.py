"""One bundle that is measured: opened as on a device, over a gallery that is thrown away."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from edgefs_runtime.base.errors import EdgefsError, ImageError
from edgefs_runtime.benchmarking.frames import Frames
from edgefs_runtime.bundle.bundle import Bundle
from edgefs_runtime.classifier import Classifier
from edgefs_runtime.decision.decision import Decision
from edgefs_runtime.embedders.backends import open_backend
from edgefs_runtime.embedders.protocol import Embedder
from edgefs_runtime.embedders.self_test import check_once
from edgefs_runtime.gallery.database import copy_gallery
from edgefs_runtime.images import ImageSource
from edgefs_runtime.images.sources import Frame
from edgefs_runtime.images.usable import sight_of


class Times(NamedTuple):
    """Seconds that one decision took, and its parts."""

    preprocess: float
    embed: float
    head: float
    total: float


class TimedEmbedder:
    """Another embedder, and how long its latest call took in seconds."""

    def __init__(self, embedder: Embedder) -> None:
        self.dim = embedder.dim
        self.latest = 0.0
        self._embedder = embedder

    def embed(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        """uint8 `[N,H,W,3]` to float32 `[N,D]`."""
        began = time.perf_counter()
        vectors = self._embedder.embed(images)
        self.latest = time.perf_counter() - began
        return vectors


class BenchSubject:
    """A bundle, its embedder, and a classifier whose gallery nobody needs.

    Args:
        path: the bundle.
        gallery: a file that may be written; it need not be there.
        threads: of one inference; 0 takes one for each core.

    Raises:
        BundleError: not a whole bundle, or its self-test fails here.
        GalleryError: the gallery is damaged, or of another embedding space.
    """

    def __init__(self, path: Path, gallery: Path, threads: int) -> None:
        bundle = Bundle.open(path)
        self.path = path
        self.gallery = gallery
        self.preprocess = bundle.manifest.preprocess
        backend = open_backend(bundle, "cpu", test=check_once, threads=threads)
        self.embedder = TimedEmbedder(backend.embedder)
        self.classifier = Classifier(bundle.without_model(), replace(backend, embedder=self.embedder), gallery)

    def decide(self, source: ImageSource) -> tuple[Decision, Times]:
        """Decide as `Classifier.predict` does, and time it."""
        answering = self.classifier.answering
        began = time.perf_counter()
        read = answering.read(Frame(source))
        seen = time.perf_counter()
        decision = next(answering.answers(self.classifier.judge, [read], [None]))
        ended = time.perf_counter()
        if isinstance(decision, ImageError):
            raise decision
        embed = self.embedder.latest
        return decision, Times(seen - began, embed, ended - seen - embed, ended - began)

    def check(self, frames: Frames) -> None:
        """Refuse frames that nothing would be decided about: they would look fast.

        Raises:
            ImageError: a frame lies outside the region of interest, or shows nothing.
        """
        for frame in frames.frames:
            try:
                reason = sight_of(frame.pixels, self.preprocess).reason
            except ImageError as error:
                reason = str(error)
            if reason:
                raise ImageError(f"{self.path}: {frame.name}: {reason}; give other frames")


@contextmanager
def open_subjects(paths: Sequence[Path], gallery: Path | None, threads: int) -> Iterator[list[BenchSubject]]:
    """The bundles, each over a gallery of its own that vanishes with the `with` block.

    Args:
        paths: the bundles.
        gallery: is copied for each of them and left alone; None begins with the bundle's seed.
        threads: of one inference.

    Raises:
        BundleError: as `BenchSubject`.
        GalleryError: as `BenchSubject`, or there is no such gallery.
    """
    with scratch_folder() as folder, ExitStack() as open_ones:
        subjects = []
        for number, path in enumerate(paths):
            copy = folder / f"{number}.gallery"
            if gallery is not None:
                copy_gallery(gallery, copy)
            subject = BenchSubject(path, copy, threads)
            open_ones.callback(subject.classifier.close)
            subjects.append(subject)
        yield subjects


@contextmanager
def scratch_folder() -> Iterator[Path]:
    """A folder that vanishes with the `with` block.

    Raises:
        EdgefsError: the system's folder for such can't be written.
    """
    try:
        folder = TemporaryDirectory(prefix="edgefs-bench-", ignore_cleanup_errors=True)
    except OSError as error:
        raise EdgefsError(f"no throw-away folder can be made ({error.strerror or error}); set TMPDIR") from error
    with folder:
        yield Path(folder.name)
