"""The classifier on the device: a bundle, the gallery that belongs to it, and decisions.

    with Classifier.open("parts.edgefs") as classifier:
        for decision in classifier.predict(["photo1.jpg", "photo2.png"]):
            print(decision.verdict, decision.label)
        classifier.enroll("new-defect", ["a.jpg", "b.jpg", "c.jpg", "d.jpg", "e.jpg"])

- This file opens, and answers; what changes the gallery is in `edgefs_runtime.acts`.
- Predicting reads: many processes may predict with one gallery. What they see is the gallery as it was when they
  opened it; `refresh` looks again.
- The first `enroll`, `forget` or `undo` makes this process the gallery's owner until `close`. What another process of
  the same user does meanwhile is done by this one, where the system can (`edgefs_runtime.asking`); elsewhere it waits,
  and is refused after some seconds.
- Parts kept with `challenge.add` guard the gallery: see `edgefs_runtime.challenge`.
- Methods may be called from several threads. A fork of the process owns nothing: it decides, and asks its parent for
  acts. A decision is made by one immutable `Judge`, which teaching swaps whole.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from types import TracebackType

import numpy as np
from numpy.typing import NDArray

from edgefs_runtime.acts import Acts
from edgefs_runtime.answering import Answering
from edgefs_runtime.base.errors import BundleError, ImageError
from edgefs_runtime.base.state import lies
from edgefs_runtime.bundle.bundle import Bundle
from edgefs_runtime.decision.decision import Decision
from edgefs_runtime.embedders.backends import load_onnxruntime, open_backend, warnings_of
from edgefs_runtime.embedders.protocol import Backend
from edgefs_runtime.embedders.self_test import check_once
from edgefs_runtime.gallery.belonging import gallery_of
from edgefs_runtime.images.sources import Images, named_frames
from edgefs_runtime.session import Session


class Classifier(Acts):
    """Decides and learns with one bundle and one gallery. Use `Classifier.open`.

    Attributes:
        bundle: without the bytes of its model.
        backend: what computes the embeddings.
        gallery_path: the gallery's file, which need not be there yet; None where only the bundle's seed decides.
        answering: the way of a frame to its decision, for who measures it in parts.
        warnings: one sentence each of what speaks against this bundle on this machine, as a network that was quantised
            for another processor, or where the device was taught something that this bundle does not use.
    """

    def __init__(
        self, bundle: Bundle, backend: Backend, gallery: Path | None, wait: float = 0, *, share: bool = False
    ) -> None:
        preprocess, embedder = bundle.manifest.preprocess, backend.embedder
        super().__init__(bundle, embedder, Session(bundle, embedder, gallery, wait, share=share))
        self.backend = backend
        self.gallery_path = gallery
        self.warnings = warnings_of(bundle, backend.provider)
        self.answering = Answering(preprocess, embedder)

    @classmethod
    def open(
        cls,
        bundle: str | Path,
        *,
        gallery: str | Path | None = None,
        seed_only: bool = False,
        provider: str = "cpu",
        threads: int = 0,
        challenge: bool = True,
        wait: float = 10,
        share: bool = True,
    ) -> Classifier:
        """Open a bundle with its gallery.

        Args:
            bundle: a `.edgefs` file.
            gallery: the gallery's file; by default the one in the state folder that belongs to the model. It is made
                from the bundle's seed when something is taught for the first time.
            seed_only: decide by the bundle's seed alone; nothing can be taught.
            provider: what computes: `cpu`, `cuda`, `tensorrt`, or `auto` for the fastest that works here
                (`edgefs_runtime.embedders.backends`); `classifier.backend` says what it came to.
            threads: of one inference on the CPU; 0 takes one for each core.
            challenge: judge the challenge parts when the bundle is not the one under which they were last judged.
            wait: seconds that an act waits, at most, while another process owns the gallery and does not do it.
            share: let other processes of this user act through this one while it owns the gallery, where the system
                can (Linux): `edgefs gallery undo` beside it is then done by it.

        Raises:
            BundleError: not a whole bundle, of another format, its self-test fails on this machine, or a challenge part
                that passed under the bundle before fails under this one.
            MissingExtraError: what the provider needs is not installed.
            ProviderError: the provider does not work on this machine, or computes something else.
            GalleryError: the gallery is damaged, of another embedding space or of a newer schema; or the index of the
                challenge parts is damaged.
        """
        opened = Bundle.open(bundle, load_onnxruntime)
        path = None if seed_only else Path(gallery) if gallery is not None else gallery_of(opened)
        backend = open_backend(opened, provider, test=check_once, threads=threads)
        classifier = cls(opened.without_model(), backend, path, wait, share=share)
        unused = _left_behind(opened, path) if gallery is None and path is not None else ()
        classifier.warnings += (*unused, *classifier.health)
        if challenge and (kept := classifier._session.kept_parts):
            try:
                kept.check_bundle(classifier.judge)
            except BundleError as error:  # the part may fail for want of what was taught elsewhere
                raise BundleError("; ".join((str(error), *unused))) from error
        return classifier

    def __enter__(self) -> Classifier:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Give up the gallery, if this process owns it. Predicting still works."""
        self._session.close()

    def predict(self, images: Images, part_ids: Iterable[str | None] | None = None) -> list[Decision]:
        """Decide about images; no state changes.

        Args:
            images: one frame, or several: paths, file contents, Pillow images or arrays, in whatever can be iterated
                over, or an array `[N,H,W,3]`. What is one and what several, `edgefs_runtime.images.sources` says.
            part_ids: the caller's name for each part, carried into its decision.

        Raises:
            ImageError: an image can't be read; the message names it. `predict_each` goes on instead.
            ValueError: there are more or fewer `part_ids` than images.
        """
        answers = []
        for answer in self.predict_each(images, part_ids):
            if isinstance(answer, ImageError):
                raise answer
            answers.append(answer)
        return answers

    def predict_each(
        self, images: Images, part_ids: Iterable[str | None] | None = None, *, batch: int = 1
    ) -> Iterator[Decision | ImageError]:
        """Decide about images one by one; for an image that can't be read comes the error, which names it.

        Args:
            images: as for `predict`. Of a generator no more is taken in advance than one batch.
            part_ids: as for `predict`.
            batch: how many images are embedded at once, of which the first then waits for the last;
                `backend.batch` is what pays here.

        Raises:
            ValueError: there are more or fewer `part_ids` than images.
        """
        frames = named_frames(images, part_ids, "part_ids")
        while group := list(islice(frames, max(1, batch))):
            read = [self.answering.read(frame) for frame, _ in group]
            yield from self.answering.answers(self.judge, read, [part_id for _, part_id in group])

    def embed(self, images: Images, *, views: bool = False) -> NDArray[np.float32]:
        """Embeddings `[N,D]` of images, or `[N,V·D]` of all views that an image which teaches is seen in.

        They are as the gallery compares them: mapped where the camera was realigned.

        Raises:
            ImageError: an image can't be read; the message names it.
        """
        found = self._teaching.embed(images, views=views)
        judge = self._session.judge
        return found if judge is None else judge.snapshot.seen(found)


def _left_behind(bundle: Bundle, gallery: Path) -> tuple[str, ...]:
    """One sentence, where this device was taught something that a bundle without a gallery of its own does not use.

    Args:
        bundle: that is opened.
        gallery: its usual place.
    """
    if not bundle.manifest.identity or lies(gallery):
        return ()
    from edgefs_runtime.carrying.succession import sentence_of

    return sentence_of(bundle, gallery)
