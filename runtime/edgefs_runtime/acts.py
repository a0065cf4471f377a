"""What is taught on the device: classes and single images, taken away again, refined, approved; a camera realigned.

Every act asks the challenge parts first, stands in the audit log with who did it and why, is on disk before it is
acknowledged, and is taken back by `undo`.
"""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from edgefs_runtime.base.errors import GalleryError
from edgefs_runtime.decision.decision import Disposition
from edgefs_runtime.decision.judge import Judge
from edgefs_runtime.decision.snapshot import Enrolment, State
from edgefs_runtime.images.sources import Images
from edgefs_runtime.upkeep import Upkeep

if TYPE_CHECKING:
    from edgefs_runtime.asking.remote import Remote
    from edgefs_runtime.decision.alignment import Choice
    from edgefs_runtime.gallery import Gallery
    from edgefs_runtime.gallery.owned import Guard
    from edgefs_runtime.realign.plan import Realigned
    from edgefs_runtime.teach.advice import Advice
    from edgefs_runtime.teach.enrolment import Taught


class Acts(Upkeep):
    """The half of a `Classifier` that changes what it decides by."""

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
            keep_images: keep what the network is shown of them in the gallery; by default as the bundle does.
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

        def enroll(gallery: Gallery | Remote, guard: Guard | None) -> tuple[bool, dict[str, str], int]:
            judge = self._session.judge
            if judge is not before and not force:  # another process taught it while this one waited for it
                _refuse_conflict(judge, enrolment)
            is_new = judge is None or label not in judge.snapshot.labels
            return is_new, gallery.known(), gallery.enroll(enrolment, guard)

        is_new, known, sequence = self._session.act(enroll, "enrolled", force=force)
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

        def refine(gallery: Gallery | Remote, guard: Guard | None) -> dict[str, int]:
            gained = refinements(gallery.snapshot(), seen, gallery.refined_labels(), actor=actor, reason=reason)
            if gained:
                gallery.enroll_together([enrolment for enrolment, _ in gained], guard)
            return {enrolment.label: used for enrolment, used in gained}

        return self._session.act(refine, "refined", force=force)

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

        def realign(gallery: Gallery | Remote, guard: Guard | None) -> Realigned:
            judge = Judge(gallery.snapshot(), self.bundle.manifest.decision, self.bundle.digest)
            planned = plan_realign(judge, batch, kind)
            refuse_doubtful("" if force else planned.doubt)
            gallery.align(planned.drafted(actor, reason), guard)
            return planned.realigned(gallery.sequence)

        return self._session.act(realign, "changed", force=force)

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
        return self._session.act(
            lambda gallery, guard: gallery.forget(label, guard, actor=actor, reason=reason), "forgotten", force=force
        )

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
        images = what
        return self._session.act(
            lambda gallery, guard: gallery.remove(images, guard, actor=actor, reason=reason), "removed", force=force
        )

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
        return self._session.act(
            lambda gallery, guard: gallery.approve(act, guard, actor=actor, reason=reason), "approved", force=force
        )

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
        return self._session.act(
            lambda gallery, guard: gallery.undo(guard, actor=actor, reason=reason), "undone", force=force
        )


def _refuse_conflict(judge: Judge | None, enrolment: Enrolment) -> None:
    from edgefs_runtime.teach.advice import find_conflict

    conflict = find_conflict(judge, judge.snapshot.as_seen(enrolment)) if judge else ""
    if conflict:
        raise GalleryError(f"{conflict}; nothing was enrolled: look at it with --check, or pass --force")
