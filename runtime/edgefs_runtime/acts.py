"""What is done to the gallery that belongs to a bundle: classes taught, taken away, merged, carried over, realigned.

Every act asks the challenge parts first, stands in the audit log with who did it and why, is on disk before it is
acknowledged, and is taken back by `undo`.
"""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from edgefs_runtime.base.errors import GalleryError
from edgefs_runtime.base.state import lies
from edgefs_runtime.bundle.bundle import Bundle
from edgefs_runtime.decision.decision import Disposition
from edgefs_runtime.decision.judge import Judge
from edgefs_runtime.decision.snapshot import Enrolment, State
from edgefs_runtime.embedders.protocol import Embedder
from edgefs_runtime.gallery.belonging import refuse_another_model, seed_of
from edgefs_runtime.images.sources import Images
from edgefs_runtime.session import Session

if TYPE_CHECKING:
    from edgefs_runtime.carrying.report import Carried
    from edgefs_runtime.challenge import Challenge
    from edgefs_runtime.decision.alignment import Choice
    from edgefs_runtime.gallery import Gallery
    from edgefs_runtime.gallery.merging import Merged
    from edgefs_runtime.gallery.repairing import Repaired
    from edgefs_runtime.realign.plan import Realigned
    from edgefs_runtime.teach.advice import Advice
    from edgefs_runtime.teach.enrolment import Taught, Teaching


class Acts:
    """The half of a `Classifier` that changes what it decides by.

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

    def enroll(
        self,
        label: str,
        images: Images,
        *,
        disposition: Disposition | None = None,
        groups: Sequence[str] | None = None,
        keep_images: bool | None = None,
        pending: bool = False,
        force: bool = False,
        actor: str = "",
        reason: str = "",
    ) -> Taught:
        """Teach images of a class, all or none, and decide by them from now on.

        Args:
            label: the class, new or known, in any spelling (`edgefs_runtime.base.labels`).
            images: what it looks like, given as to `predict`; five of different parts are a good start.
            disposition: what the line does with such parts; by default as the class has it, else as its name says.
            groups: for each image the physical part it shows, where several show the same one.
            keep_images: keep thumbnails in the gallery; by default as the bundle does.
            pending: they don't decide until somebody else approves them (`approve`).
            force: enroll although the images look like another class, the label is another's but for case or width, or
                challenge parts would fail.
            actor: who teaches, for the audit log.
            reason: why, for the audit log.

        Raises:
            ImageError: an image can't be read or shows nothing; nothing is enrolled then.
            GalleryError: the label is not usable or another's but for case or width, no image was given, there are more
                or fewer groups than images, the images look like another class, a challenge part that passes would
                fail, or the gallery can't be written.
        """
        keep = self.bundle.manifest.raw.get("keep_images") == "support" if keep_images is None else keep_images
        enrolment = self._teaching.enrolment(label, images, disposition, groups, keep, self._session.dispositions)
        state: State = "pending" if pending else "approved"
        enrolment = dataclasses.replace(enrolment, actor=actor, reason=reason, state=state)
        label, before = enrolment.label, self._session.judge
        if not force:
            _refuse_conflict(before, enrolment)
        with self._session.acting() as gallery:
            judge = self._session.judge
            if judge is not before and not force:  # another process taught it while this one waited for it
                _refuse_conflict(judge, enrolment)
            is_new = judge is None or label not in judge.snapshot.labels
            known = gallery.known()
            sequence = gallery.enroll(enrolment, self._session.guard(force, "enrolled"))
        from edgefs_runtime.teach.enrolment import Taught

        again = Counter(known[digest] for digest in enrolment.digests if digest in known)
        what = self._session.dispositions.get(label, enrolment.disposition)
        total = self._session.judge.snapshot.counts.get(label, 0) if self._session.judge else 0
        number = len(enrolment.digests)
        return Taught(label, what, number, total, is_new, sequence, self.head_note, dict(again), pending)

    def refine(self, images: Images, *, force: bool = False, actor: str = "", reason: str = "") -> dict[str, int]:
        """Refine classes of few images by unlabelled ones, and return how many each was refined by; often none is.

        To each class that gains the mean of what surely belongs to it is added, and counts for three images
        (`edgefs_runtime.teach.refine`). `undo` takes all of it back. A class is refined once.

        Args:
            images: what the camera saw lately; the last 200 that can be judged are looked at.
            force: refine although challenge parts would fail.
            actor: who does it, for the audit log.
            reason: why, for the audit log.

        Raises:
            GalleryError: a challenge part that passes would fail, or the gallery can't be written.
        """
        from edgefs_runtime.teach.refine import refinements

        seen = self._teaching.unlabelled(images)
        if not seen:
            return {}
        with self._session.acting() as gallery:
            gained = refinements(gallery.snapshot(), seen, gallery.refined_labels(), actor=actor, reason=reason)
            if gained:
                gallery.enroll_together([enrolment for enrolment, _ in gained], self._session.guard(force, "refined"))
        return {enrolment.label: used for enrolment, used in gained}

    def realign(
        self,
        images: Images,
        *,
        kind: Choice = "auto",
        force: bool = False,
        actor: str = "",
        reason: str = "",
    ) -> Realigned:
        """Map what the camera sees from now on into the gallery's space, after a change of camera or lamp.

        What this device enrolled before stays as it is; what it enrolls from now on is mapped too. `undo` is possible.

        Args:
            images: unlabelled, of the changed camera, the last 200 count; any mix, also with parts that nobody taught.
            kind: `mean`, `moments` or `coral`; `auto` chooses, also `none`.
            force: realign although the estimate is doubtful, or challenge parts would fail.
            actor: who does it, for the audit log.
            reason: why, for the audit log.

        Raises:
            GalleryError: too few images can be judged, the estimate is not to be believed, a challenge part that passes
                would fail, or the gallery can't be written.
        """
        from edgefs_runtime.realign.plan import plan_realign, refuse_doubtful, usable

        batch = usable(self._teaching, images)
        with self._session.acting() as gallery:
            judge = Judge(gallery.snapshot(), self.bundle.manifest.decision, self.bundle.digest)
            planned = plan_realign(judge, batch, kind)
            refuse_doubtful("" if force else planned.doubt)
            gallery.align(planned.drafted(actor, reason), self._session.guard(force, "changed"))
            return planned.realigned(gallery.sequence)

    def check_realign(self, images: Images, *, kind: Choice = "auto") -> Realigned:
        """What realigning by these images would do, without doing it.

        Args:
            images: as for `realign`.
            kind: as for `realign`.

        Raises:
            GalleryError: too few images can be judged, or the gallery holds no class.
        """
        from edgefs_runtime.realign.plan import plan_realign, usable

        judge = self.judge
        planned = plan_realign(judge, usable(self._teaching, images), kind)
        spoiled = self._session.spoiled_by(planned.after(judge.snapshot))
        return planned.realigned(judge.snapshot.sequence, spoiled)

    def check(
        self,
        label: str,
        images: Images,
        *,
        disposition: Disposition | None = None,
        groups: Sequence[str] | None = None,
    ) -> Advice:
        """What enrolling these images would do, without doing it.

        Args:
            label: the class, new or known.
            images: shots of the class.
            disposition: as for `enroll`; what challenge parts would get depends on it.
            groups: for each image the physical part it shows, where several show the same one.

        Raises:
            ImageError: an image can't be read or shows nothing.
            GalleryError: the label is not usable, no image was given, or the gallery holds no class to compare with.
        """
        from edgefs_runtime.teach.advice import advise

        judge, known = self.judge, self._session.dispositions
        enrolment = self._teaching.enrolment(label, images, disposition, groups, False, known)
        return advise(judge, judge.snapshot.as_seen(enrolment), self._session.spoiled_by)

    def forget(self, label: str, *, force: bool = False, actor: str = "", reason: str = "") -> int:
        """Take a class away and return the number of its images; `undo` brings it back.

        Args:
            label: the class.
            force: forget it although challenge parts would fail.
            actor: who does it, for the audit log.
            reason: why, for the audit log.

        Raises:
            GalleryError: no such class, a challenge part that passes would fail, or the gallery can't be written.
        """
        with self._session.acting() as gallery:
            return gallery.forget(label, self._session.guard(force, "forgotten"), actor=actor, reason=reason)

    def remove(self, what: str | Path, *, force: bool = False, actor: str = "", reason: str = "") -> tuple[str, int]:
        """Take single images away, and return their class and their number; `undo` brings them back.

        Args:
            what: an image's file, or what `Gallery.remove` takes: an act's number, one of its images, a digest.
            force: remove them although challenge parts would fail.
            actor: who does it, for the audit log.
            reason: why, for the audit log.

        Raises:
            ImageError: the file can't be read.
            GalleryError: nothing that counts is meant, a challenge part that passes would fail, or the gallery can't be
                written.
        """
        if isinstance(what, Path) or Path(what).is_file():
            from edgefs_runtime.images import content_digest

            what = content_digest(Path(what))
        with self._session.acting() as gallery:
            return gallery.remove(what, self._session.guard(force, "removed"), actor=actor, reason=reason)

    def approve(self, act: str, *, force: bool = False, actor: str, reason: str) -> tuple[str, int]:
        """Let pending images decide, and return their class and their number; `undo` takes the approval back.

        Args:
            act: the number of the act that taught them, as the log shows it.
            force: approve them although challenge parts would fail.
            actor: who approves; not who taught them.
            reason: why.

        Raises:
            GalleryError: nothing pending has this number, nobody is named, no reason is given, who taught it would
                approve it, a challenge part that passes would fail, or the gallery can't be written.
        """
        with self._session.acting() as gallery:
            return gallery.approve(act, self._session.guard(force, "approved"), actor=actor, reason=reason)

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
        with self._session.lock:
            guard, judge = self._session.guard(force, "restored"), self._session.judge
            if gallery is None and guard is not None and judge is not None:
                guard(judge.snapshot, read_snapshot(Path(backup), seed_of(self.bundle)))
            path = self._session.released() if gallery is None else Path(gallery)
            kept = restore(path, Path(backup), seed_of(self.bundle), actor=actor, reason=reason)
            self._session.refresh()
            return kept

    def undo(self, *, force: bool = False, actor: str = "", reason: str = "") -> str:
        """Take back the latest act on this device, and return a sentence that says what that was.

        Args:
            force: undo it although challenge parts would fail.
            actor: who does it, for the audit log.
            reason: why, for the audit log.

        Raises:
            GalleryError: there is nothing to undo, a challenge part that passes would fail, or the gallery can't be
                written.
        """
        with self._session.acting() as gallery:
            return gallery.undo(self._session.guard(force, "undone"), actor=actor, reason=reason)

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
        with self._session.acting() as gallery:
            return gallery.merge(Path(other), self._session.guard(force, "merged"), actor=actor, reason=reason)

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
        """The JPEG files kept for a class's images, in their order; none where the bundle or gallery keeps no images.

        Raises:
            GalleryError: the gallery is damaged, or another process owns it.
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


def _refuse_conflict(judge: Judge | None, enrolment: Enrolment) -> None:
    from edgefs_runtime.teach.advice import find_conflict

    conflict = find_conflict(judge, judge.snapshot.as_seen(enrolment)) if judge else ""
    if conflict:
        raise GalleryError(f"{conflict}; nothing was enrolled: look at it with --check, or pass --force")
