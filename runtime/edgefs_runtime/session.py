"""What a process has of the gallery that belongs to a bundle, and what decides by it.

It is read at first. The first act makes this process the gallery's owner, until `close`; every act swaps what decides
for a new, immutable `Judge`.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from edgefs_runtime.base.errors import GalleryError
from edgefs_runtime.base.state import challenge_folder, lies
from edgefs_runtime.bundle.bundle import Bundle
from edgefs_runtime.decision.decision import Disposition
from edgefs_runtime.decision.judge import Judge
from edgefs_runtime.decision.snapshot import Snapshot
from edgefs_runtime.embedders.protocol import Embedder
from edgefs_runtime.gallery.belonging import judge_by, seed_of

if TYPE_CHECKING:
    from edgefs_runtime.challenge import Challenge
    from edgefs_runtime.gallery import Gallery
    from edgefs_runtime.gallery.owned import Guard
    from edgefs_runtime.gallery.scrub import Scrub


class Session:
    """The gallery of one bundle on this device, read or owned.

    Attributes:
        path: the gallery's file, which need not be there yet; None stands for the bundle's seed, which can't be taught.
        wait: seconds to wait, at most, for another process that owns the gallery.
        lock: held by whoever acts.
        trained: the head that travels in the bundle, loaded; None where there is none.
        judge: decides at this moment; None where every class was forgotten.
        head_note: a sentence, where the latest act brought another head to decide; else empty.
    """

    def __init__(self, bundle: Bundle, embedder: Embedder, path: Path | None, wait: float = 0) -> None:
        self.path = path
        self.wait = wait
        self.lock = threading.RLock()
        self.trained = bundle.load_trained_head()
        self.judge: Judge | None = judge_by(bundle, path, self.trained)
        self.head_note = ""
        self._bundle, self._embedder = bundle, embedder
        self._owned: Gallery | None = None
        self._asked: Judge | None = None  # computed last
        self._scrub: Scrub | None = None  # looks at what a large gallery left in its file

    def close(self) -> None:
        """Give up the gallery, if this process owns it; `judge` still decides."""
        if self._scrub is not None:
            self._scrub.end()
            self._scrub = None
        with self.lock:
            if self._owned is not None:
                self._owned.close()
                self._owned = None

    def released(self) -> Path:
        """The gallery's file, which this process does not own any more.

        Raises:
            GalleryError: there is only the bundle's seed.
        """
        if self.path is None:
            raise GalleryError("opened with the bundle's seed alone, which has no file; pass a gallery")
        self.close()
        return self.path

    @property
    def health(self) -> tuple[str, ...]:
        """Sentences, one for each thing of the gallery that should be mended."""
        with self.lock:
            if self._owned is not None:
                return self._owned.health
            found = self.judge.snapshot.warnings if self.judge is not None else ()
            if self.path is None or not lies(self.path):
                return found
        from edgefs_runtime.gallery.mark import room_warning

        full = room_warning(self.path)
        return (*found, full) if full else found

    def refresh(self) -> None:
        """Look again at the gallery, which another process may have taught something.

        Raises:
            GalleryError: it is damaged, or does not belong to this bundle.
        """
        with self.lock:
            if self._owned is None:
                self.judge = judge_by(self._bundle, self.path, self.trained)

    def own(self) -> Gallery:
        """The gallery, owned from now on.

        Raises:
            GalleryError: another process owns it, or there is only the bundle's seed.
        """
        with self.lock:
            if self._owned is None:
                if self.path is None:
                    raise GalleryError("opened with the bundle's seed alone, which can't be taught; pass a gallery")
                from edgefs_runtime.gallery import Gallery

                self._owned = Gallery.open(self.path, seed_of(self._bundle), wait=self.wait)
                before = self.judge.snapshot if self.judge is not None else None
                if before is not None and (before.is_large or before.sequence != self._owned.sequence):
                    # Another process taught it something since it was read; or its rows lie in the file, of which this
                    # process has now the only connection.
                    self.judge = self._judge_now(self._owned)
            if self._scrub is None and self._owned.unread():
                from edgefs_runtime.gallery.scrub import Scrub

                self._scrub = Scrub(self._owned)
            return self._owned

    @contextmanager
    def acting(self) -> Iterator[Gallery]:
        """The gallery, for one act, by which is decided from then on.

        A gallery that was made for an act that failed, or changed nothing, is not left behind: what was taught
        elsewhere would not be spoken of any more.
        """
        with self.lock:
            is_new = self._owned is None and self.path is not None and not lies(self.path)
            gallery = self.own()
            try:
                yield gallery
            except GalleryError:
                self._asked = None
                if is_new:
                    gallery.discard()
                    self._owned = None
                raise
            if is_new and not gallery.sequence:
                gallery.discard()
                self._owned = None
                return
            self._take(gallery)

    def judge_of(self, snapshot: Snapshot) -> Judge | None:
        """Judge that decides by a snapshot; None where that holds no class.

        An act asks for the one of now and the one of after it, for its guard, and then decides by the latter: what is
        at hand is not computed again.
        """
        if not snapshot.labels:
            return None
        for judge in (self.judge, self._asked):
            if judge is not None and judge.snapshot.is_same(snapshot):
                return judge
        self._asked = Judge(snapshot, self._bundle.manifest.decision, self._bundle.digest, self.trained)
        return self._asked

    def known(self) -> dict[str, str]:
        """The class of every image that was taught and counts or is pending, by its digest; nothing is owned for it.

        Raises:
            GalleryError: the gallery is damaged.
        """
        with self.lock:
            if self._owned is not None:
                return self._owned.known()
        from edgefs_runtime.gallery.reading import read_known

        return read_known(self.path, seed_of(self._bundle))

    @property
    def dispositions(self) -> dict[str, Disposition]:
        """Dispositions of the classes that the gallery holds."""
        snapshot = self.judge.snapshot if self.judge else None
        return dict(zip(snapshot.labels, snapshot.dispositions, strict=True)) if snapshot else {}

    def thumbnails(self, label: str) -> list[bytes]:
        """The pictures kept of a class's images, in their order; none where no images are kept.

        Raises:
            GalleryError: the gallery is damaged, or another process owns it.
        """
        with self.lock:
            if self._owned is not None:
                return self._owned.thumbnails(label)
        from edgefs_runtime.gallery.reading import read_thumbnails

        return read_thumbnails(self.path, seed_of(self._bundle), label)

    @property
    def challenge(self) -> Challenge:
        """The parts that guard the gallery, whether or not any are kept yet.

        Raises:
            GalleryError: there is only the bundle's seed.
        """
        if self.path is None:
            raise GalleryError("opened with the bundle's seed alone, which nothing guards; pass a gallery")
        from edgefs_runtime.challenge import Challenge

        return Challenge(challenge_folder(self.path), self._bundle, self._embedder)

    @property
    def kept_parts(self) -> Challenge | None:
        """The challenge where there is one; where there is none that costs one look at the disk."""
        if self.path is None or not lies(challenge_folder(self.path)):
            return None
        return self.challenge

    def guard(self, force: bool, done: str) -> Guard | None:
        """Refuses an act that would spoil challenge parts; None where nothing is to be guarded."""
        challenge = None if force else self.kept_parts
        return None if challenge is None else challenge.guard(self.judge_of, done)

    def spoiled_by(self, after: Snapshot) -> tuple[str, ...]:
        """A sentence for each challenge part that passes now and would fail if this snapshot counted."""
        challenge = self.kept_parts
        if challenge is None or self.judge is None:
            return ()
        return tuple(result.would_fail for result in challenge.regressions(self.judge, self.judge_of(after)))

    def _take(self, gallery: Gallery) -> None:
        """Decide by what the gallery holds now, and note what challenge parts get by it."""
        before = self.judge
        self.judge, self._asked = self._judge_now(gallery), None
        if self.judge is not None and self.judge.snapshot.is_large:
            gallery.remember(self.judge.fit)
        self.head_note = _head_note(before, self.judge)
        if challenge := self.kept_parts:
            challenge.note(self.judge)

    def _judge_now(self, gallery: Gallery) -> Judge | None:
        try:
            return self.judge_of(gallery.snapshot())
        except GalleryError:  # the last class was forgotten
            return None


def _head_note(before: Judge | None, after: Judge | None) -> str:
    """What an act changed about who decides."""
    if before is not None and before.is_trained and not (after is not None and after.is_trained):
        return (
            f"The trained head {before.head} knows only the images it was exported with: from now on "
            f"{before.settings.head['kind']} decides, computed from the gallery."
        )
    if after is not None and after.is_trained and not (before is not None and before.is_trained):
        return f"The gallery is as it was exported: the trained head {after.head} decides again."
    return ""
