"""What keeps the gallery that belongs to a bundle whole, and brings in what was taught elsewhere.

Every act asks the challenge parts first, stands in the audit log with who did it and why, and is on disk before it is
acknowledged.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from edgefs_runtime.base.errors import GalleryError
from edgefs_runtime.base.state import lies
from edgefs_runtime.bundle.bundle import Bundle
from edgefs_runtime.decision.judge import Judge
from edgefs_runtime.embedders.protocol import Embedder
from edgefs_runtime.gallery.belonging import refuse_another_model, seed_of
from edgefs_runtime.session import Session

if TYPE_CHECKING:
    from edgefs_runtime.carrying.report import Carried
    from edgefs_runtime.challenge import Challenge
    from edgefs_runtime.gallery import Gallery
    from edgefs_runtime.gallery.compacting import Freed
    from edgefs_runtime.gallery.merging import Merged
    from edgefs_runtime.gallery.repairing import Repaired
    from edgefs_runtime.teach.enrolment import Teaching


class Upkeep:
    """The gallery of a bundle on this device: what decides by it, its health, and what comes from other files.

    Attributes:
        bundle: without the bytes of its model.
    """

    def __init__(self, bundle: Bundle, embedder: Embedder, session: Session) -> None:
        self.bundle = bundle
        self._embedder = embedder
        self._session = session

    @cached_property
    def _teaching(self) -> Teaching:
        from edgefs_runtime.teach.enrolment import Teaching  # not for whoever only predicts

        return Teaching(self.bundle.manifest.preprocess, self._embedder)

    @property
    def judge(self) -> Judge:
        """What decides at this moment.

        Raises:
            GalleryError: every class was forgotten.
        """
        judge = self._session.judge
        if judge is None:
            raise GalleryError("the gallery holds no class any more; enroll at least one, or undo")
        return judge

    @property
    def head_note(self) -> str:
        """A sentence, where the latest act on the gallery brought another head to decide; else empty."""
        return self._session.head_note

    def refresh(self) -> None:
        """Look again at the gallery, which another process may have taught something.

        Raises:
            GalleryError: it is damaged, or does not belong to this bundle.
        """
        self._session.refresh()

    @property
    def health(self) -> tuple[str, ...]:
        """Sentences, one for each thing of the gallery that should be mended; empty where all is well."""
        return self._session.health

    def repair(
        self,
        others: Sequence[str | Path] = (),
        *,
        gallery: str | Path | None = None,
        actor: str = "",
        reason: str = "",
    ) -> Repaired:
        """Mend the gallery: what is damaged comes back from other copies or from kept pictures, or is missed no more.

        Args:
            others: copies of the gallery, or galleries that it was merged into.
            gallery: the file, where it is too damaged for the classifier to be opened with it.
            actor: who does it, for the audit log.
            reason: why, for the audit log.

        Raises:
            GalleryError: there is no gallery, another process owns it, or nothing of it can be read.
        """
        from edgefs_runtime.gallery.repairing import repair

        with self._session.lock:
            path = self._session.released() if gallery is None else Path(gallery)
            embed = self._teaching.embed_picture
            seed, paths = seed_of(self.bundle), [Path(one) for one in others]
            repaired = repair(path, seed, paths, embed, actor=actor, reason=reason)
            self._session.refresh()
            return repaired

    def restore(
        self,
        backup: str | Path,
        *,
        gallery: str | Path | None = None,
        force: bool = False,
        actor: str = "",
        reason: str = "",
    ) -> Path | None:
        """Put a backup in the gallery's place, and return under which name that is kept; None where there was none.

        Args:
            backup: what `edgefs gallery backup` wrote, or any copy of a gallery.
            gallery: the file, where it is too damaged for the classifier to be opened with it; nothing guards it then.
            force: restore it although challenge parts would fail.
            actor: who does it, for the audit log.
            reason: why, for the audit log.

        Raises:
            GalleryError: the backup is damaged or of another model, another process owns the gallery, a challenge part
                that passes would fail, or the folder can't be written.
        """
        from edgefs_runtime.gallery import read_snapshot
        from edgefs_runtime.gallery.repairing import restore

        if not force:
            refuse_another_model(Path(backup), self.bundle)
        if not lies(Path(backup)):  # before a challenge part is judged by what would be there: nothing
            raise GalleryError(f"there is no file at {backup}; expected a copy, as `edgefs gallery backup` writes it")
        with self._session.lock:
            guard, judge = self._session.guard(force, "restored"), self._session.judge
            if gallery is None and guard is not None and judge is not None:
                guard(judge.snapshot, read_snapshot(Path(backup), seed_of(self.bundle)))
            path = self._session.released() if gallery is None else Path(gallery)
            kept = restore(path, Path(backup), seed_of(self.bundle), actor=actor, reason=reason)
            self._session.refresh()
            return kept

    def merge(self, other: str | Path, *, force: bool = False, actor: str = "", reason: str = "") -> Merged:
        """Add what another device's gallery holds, in one act, and say what that changed.

        Args:
            other: the other gallery.
            force: merge although it is another model's, or challenge parts would fail.
            actor: who does it, for the audit log.
            reason: why, for the audit log.

        Raises:
            GalleryError: `other` is another model's, damaged or of another embedding space, a challenge part that
                passes would fail, or the gallery can't be written.
        """
        if not force:
            refuse_another_model(Path(other), self.bundle)
        return self._session.act(
            lambda gallery, guard: gallery.merge(Path(other), guard, actor=actor, reason=reason), "merged", force=force
        )

    def compact(self, keep_days: int | None = None) -> Freed:
        """Let go of the embeddings and pictures of what was forgotten long ago; the audit log stays whole.

        What the latest act took away stays, so that it can be undone.

        Args:
            keep_days: how long what was forgotten can be brought back, from now on; None for the default.

        Raises:
            GalleryError: the gallery is damaged, or can't be written.
        """
        return self._session.act(lambda gallery, _: gallery.compact(keep_days), "compacted", force=True)

    def carry(
        self,
        source: str | Path | None = None,
        *,
        check: bool = False,
        force: bool = False,
        actor: str = "",
        reason: str = "",
    ) -> Carried:
        """Bring over what this device was taught under another bundle of the product, in one act.

        The other gallery stays as it is, and its parts that guard it come along. What `carrying.succession` finds
        stands in `warnings` until this is done, or anything is taught.

        Args:
            source: the other bundle, whose gallery in the state folder is meant, or a gallery's file; None takes the
                only one that is found.
            check: only say what it would do.
            force: carry over what can be, although some images can't or challenge parts would fail.
            actor: who does it, for the audit log.
            reason: why, for the audit log.

        Raises:
            GalleryError: nothing to carry over, images can't be, challenge parts would fail, or a gallery can't be read
                or written.
        """
        from edgefs_runtime.carrying.act import carry

        session, teaching = self._session, self._teaching
        source = None if source is None else Path(source)
        return carry(session, self.bundle, teaching, source, check=check, force=force, actor=actor, reason=reason)

    def begin_afresh(self) -> None:
        """Make the gallery from the bundle's seed, so that what was taught elsewhere is not spoken of again.

        Raises:
            GalleryError: there is a gallery already, or it can't be written.
        """
        from edgefs_runtime.gallery import Gallery

        path = self._session.path
        if path is None or lies(path):
            raise GalleryError(f"{path or 'the seed alone'}: there is a gallery already; nothing was changed")
        Gallery.open(path, seed_of(self.bundle)).close()

    def thumbnails(self, label: str) -> list[bytes]:
        """The pictures kept of a class's images, in their order; none where the bundle or gallery keeps no images.

        They are PNG files of what the network was shown; galleries and bundles of before hold small JPEG files.

        Raises:
            GalleryError: the gallery is damaged.
        """
        return self._session.thumbnails(label)

    @property
    def challenge(self) -> Challenge:
        """The parts that guard the gallery, whether or not any are kept yet.

        Raises:
            GalleryError: opened with `seed_only`.
        """
        return self._session.challenge

    @property
    def gallery(self) -> Gallery:
        """The gallery, owned from now on: its log, its check, its thumbnails.

        Raises:
            GalleryError: another process owns it, or it was opened with `seed_only`.
        """
        return self._session.own()
