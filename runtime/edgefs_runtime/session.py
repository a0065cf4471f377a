"""What a process has of the gallery that belongs to a bundle, and what decides by it.

It is read at first. The first act makes this process the gallery's owner, until `close`; every act swaps what decides
for a new, immutable `Judge`. Where another process is the owner and lets others act through it, that one is asked
(`asking`).
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from edgefs_runtime.base.errors import GalleryError
from edgefs_runtime.base.state import challenge_folder, lies, socket_folder
from edgefs_runtime.bundle.bundle import Bundle
from edgefs_runtime.decision.decision import Disposition
from edgefs_runtime.decision.judge import Judge
from edgefs_runtime.decision.snapshot import Snapshot
from edgefs_runtime.embedders.protocol import Embedder
from edgefs_runtime.gallery.belonging import judge_by, seed_of

if TYPE_CHECKING:
    from edgefs_runtime.asking.remote import Remote
    from edgefs_runtime.asking.server import Server
    from edgefs_runtime.asking.turns import Turns
    from edgefs_runtime.challenge import Challenge
    from edgefs_runtime.gallery import Gallery, Seed
    from edgefs_runtime.gallery.owned import Guard
    from edgefs_runtime.gallery.scrub import Scrub

T = TypeVar("T")


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

    def __init__(
        self, bundle: Bundle, embedder: Embedder, path: Path | None, wait: float = 0, *, share: bool = False
    ) -> None:
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
        self._share = share  # other processes of this user may act through this one
        self._server: Server | None = None

    @cached_property
    def seed(self) -> Seed:
        """What the bundle says about the gallery."""
        return seed_of(self._bundle)

    def close(self) -> None:
        """Give up the gallery, if this process owns it; `judge` still decides."""
        if self._scrub is not None:
            self._scrub.end()
            self._scrub = None
        server = self._server
        with self.lock:
            self._end(discarded=False)
        if server is not None:  # not under the lock: its last answer may wait for that
            server.join()

    def after_fork(self) -> None:
        """Own nothing in a fork: it decides on, and asks the process that it was forked from for acts."""
        self.lock = threading.RLock()
        if self._server is not None:
            self._server.after_fork()
        self._owned = self._scrub = self._server = None

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
    def owned(self) -> Gallery | None:
        """The gallery, where this process owns it."""
        return self._owned

    @property
    def decides(self) -> tuple[Judge | None, str]:
        """What decides at this moment, and `head_note`."""
        return self.judge, self.head_note

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

    def own(self, unless: Callable[[], bool] | None = None) -> Gallery:
        """The gallery, owned from now on.

        Args:
            unless: whether something better can be done than to wait for another owner.

        Raises:
            GalleryError: another process owns it, or there is only the bundle's seed.
        """
        with self.lock:
            if self._owned is None:
                if self.path is None:
                    raise GalleryError("opened with the bundle's seed alone, which can't be taught; pass a gallery")
                from edgefs_runtime.gallery import Gallery
                from edgefs_runtime.gallery.forked import watch

                self._owned = Gallery.open(self.path, self.seed, wait=self.wait, unless=unless)
                watch(self)
                before = self.judge.snapshot if self.judge is not None else None
                if before is not None and (before.is_large or before.sequence != self._owned.sequence):
                    # Another process taught it something since it was read; or its rows lie in the file, of which this
                    # process has now the only connection.
                    self.judge = self._judge_now(self._owned)
                self._serve(self.path)
            if self._scrub is None and self._owned.unread():
                from edgefs_runtime.gallery.scrub import Scrub

                self._scrub = Scrub(self._owned)
            return self._owned

    def act(self, do: Callable[[Gallery | Remote, Guard | None], T], done: str, *, force: bool = False) -> T:
        """Do one act, by which is decided from then on: here, or by the process that owns the gallery.

        A gallery that was made for an act that failed, or changed nothing, is not left behind: what was taught
        elsewhere would not be spoken of any more.

        Args:
            do: does it with the gallery, asking what guards it; once more where another process's act came first.
            done: what then was not done where a challenge part would fail, as `enrolled`.
            force: do it although challenge parts would fail.

        Raises:
            GalleryError: it is refused, or another process owns the gallery and does not do it.
        """
        from edgefs_runtime.gallery import GalleryBusyError

        turns: Turns | None = None
        with self.lock:
            while True:
                is_new = self._owned is None and self.path is not None and not lies(self.path)
                until = time.monotonic() + self.wait
                try:
                    gallery = self.own(self._is_reachable)
                except GalleryBusyError:
                    if not self._is_reachable():
                        if time.monotonic() < until:  # it was, and is gone since
                            continue
                        raise
                    turns = turns or self._turns(done, force)
                    if found := turns.attempt(do):
                        return found[0]
                    continue
                if turns is not None:
                    turns.refuse_unknown((gallery.device, gallery.sequence))
                return self._done_here(gallery, do, self.guard(force, done), is_new)

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

        return read_known(self.path, self.seed)

    @property
    def dispositions(self) -> dict[str, Disposition]:
        """Dispositions of the classes that the gallery holds."""
        snapshot = self.judge.snapshot if self.judge else None
        return dict(zip(snapshot.labels, snapshot.dispositions, strict=True)) if snapshot else {}

    def thumbnails(self, label: str) -> list[bytes]:
        """The pictures kept of a class's images, in their order; none where no images are kept.

        Raises:
            GalleryError: the gallery is damaged.
        """
        with self.lock:
            if self._owned is not None:
                return self._owned.thumbnails(label)
        from edgefs_runtime.gallery.reading import read_thumbnails

        return read_thumbnails(self.path, self.seed, label)

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

    def _done_here(
        self, gallery: Gallery, do: Callable[[Gallery | Remote, Guard | None], T], guard: Guard | None, is_new: bool
    ) -> T:
        try:
            result = _without_damaged(gallery, lambda: do(gallery, guard))
        except GalleryError:
            self._asked = None
            if is_new:
                self._end(discarded=True)
            raise
        if is_new and not gallery.sequence:
            self._end(discarded=True)
        else:
            self._take(gallery)
        return result

    def _turns(self, done: str, force: bool) -> Turns:
        from edgefs_runtime.asking.turns import Turns

        return Turns(self, done, force=force)

    def _is_reachable(self) -> bool:
        """Whether another process owns the gallery and lets others act through it."""
        from edgefs_runtime.asking.place import is_reachable

        return self.path is not None and is_reachable(self.path)

    def _serve(self, path: Path) -> None:
        """Let other processes act through this one, or sweep what one that did so, and was killed, left behind."""
        if not self._share and not lies(socket_folder(path)):
            return
        from edgefs_runtime.asking import place, server

        if self._share:
            self._server = server.serve(path, self)
        else:
            place.leave(path)

    def _end(self, *, discarded: bool) -> None:
        """Let the gallery go, and before it whoever asks for acts on it."""
        if self._server is not None:
            self._server.stop()
            self._server = None
        if self._owned is not None:
            gallery, self._owned = self._owned, None
            if discarded:
                gallery.discard()
            else:
                gallery.close()

    def _take(self, gallery: Gallery) -> None:
        """Decide by what the gallery holds now, and note what challenge parts get by it."""
        before = self.judge
        self.judge, self._asked = self._judge_now(gallery), None
        if self.judge is not None and self.judge.snapshot.is_large:
            gallery.remember(self.judge.fit, self.judge.snapshot)
        self.head_note = _head_note(before, self.judge)
        if challenge := self.kept_parts:
            challenge.note(self.judge)

    def _judge_now(self, gallery: Gallery) -> Judge | None:
        try:
            return self.judge_of(gallery.snapshot())
        except GalleryError:  # the last class was forgotten
            return None


def _without_damaged(gallery: Gallery, do: Callable[[], T]) -> T:
    """Do an act, again where it was the first to read embeddings of a large gallery that turn out to be damaged."""
    from edgefs_runtime.gallery.blobs import BlobDamagedError

    while True:
        try:
            return do()
        except BlobDamagedError as error:
            if not gallery.look_at(error.digest):
                raise


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
