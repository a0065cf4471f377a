"""The act: read what was taught, choose each image's way, ask the challenge parts, write."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from edgefs_runtime.base.errors import BundleError, GalleryError, ImageError
from edgefs_runtime.base.logs import logger_of
from edgefs_runtime.base.state import challenge_folder
from edgefs_runtime.bundle.bundle import Bundle
from edgefs_runtime.carrying.decisions import Decisions
from edgefs_runtime.carrying.earlier import Agreement, Earlier, read_earlier
from edgefs_runtime.carrying.judging import compared, images_of
from edgefs_runtime.carrying.report import Carried, abouts_of, images_by_way, lost, missing_of, notes_of
from edgefs_runtime.carrying.watch import Watch
from edgefs_runtime.carrying.ways import Planned, plan_carrying
from edgefs_runtime.decision.snapshot import Snapshot, extended
from edgefs_runtime.gallery.aligned import Aligned
from edgefs_runtime.session import Session
from edgefs_runtime.teach.advice import merged_parts
from edgefs_runtime.teach.enrolment import Teaching

if TYPE_CHECKING:
    from edgefs_runtime.asking.remote import Remote
    from edgefs_runtime.gallery import Gallery
    from edgefs_runtime.gallery.owned import Guard

_logger = logger_of(__name__)


def carry(
    session: Session,
    bundle: Bundle,
    teaching: Teaching,
    source: Path | None,
    *,
    check: bool,
    force: bool,
    actor: str,
    reason: str,
) -> Carried:
    """Carry what an earlier bundle's gallery was taught into this one, as `Classifier.carry` describes."""
    if session.path is None:
        raise GalleryError("opened with the bundle's seed alone, which can't be taught; pass a gallery")
    earlier = read_earlier(source, bundle, session.path, teaching.embedder.dim)
    agreement = earlier.agreement(bundle)
    if check:
        planned = plan_carrying(earlier, session.known(), teaching, agreement)
        watch = Watch(session, earlier.path, force=True)
        if session.judge is not None:
            watch(session.judge.snapshot, _with(session.judge.snapshot, planned))
        told = _told(earlier, planned, agreement, watch, 0, session.judge.snapshot.sequence if session.judge else 0)
        return dataclasses.replace(told, decisions=_decisions(earlier, planned, watch, bundle))
    if not earlier.taught and session.challenge.of_other(challenge_folder(earlier.path)):
        return _guarded(session, earlier)

    def bring(gallery: Gallery | Remote, _guard: Guard | None) -> tuple[list[Planned], Watch, int]:
        planned = plan_carrying(earlier, gallery.known(), teaching, agreement)
        taught = [(one.enrolment, one.taught.origin) for one in planned if one.enrolment is not None]
        if not force:
            _refuse_missing(planned)
        watch = Watch(session, earlier.path, force=force)
        if not taught:
            raise GalleryError(f"{earlier.path}: nothing to carry over that is not here already")
        alignment = None if gallery.is_aligned else _alignment(earlier, agreement)
        sequence = gallery.carry(taught, alignment, earlier.path.name, watch, actor=actor, reason=reason)
        return planned, watch, sequence

    planned, watch, sequence = session.act(bring, "carried over", force=force)
    carried = _told(earlier, planned, agreement, watch, 0, sequence)
    carried = dataclasses.replace(carried, decisions=_decisions(earlier, planned, watch, bundle))
    try:
        return dataclasses.replace(carried, parts=session.challenge.adopt(challenge_folder(earlier.path), watch.after))
    except (GalleryError, ImageError) as error:  # what was taught is carried over all the same
        return dataclasses.replace(carried, notes=(*carried.notes, f"the challenge parts: {error}"))


def _guarded(session: Session, earlier: Earlier) -> Carried:
    """Where nothing was taught, but parts guard what is decided: they are what is brought over."""
    watch = Watch(session, earlier.path, force=True)
    now = session.judge.snapshot if session.judge else None
    if now is not None:
        watch(now, now)
    parts = session.challenge.adopt(challenge_folder(earlier.path), watch.after)
    return _told(earlier, [], None, watch, parts, now.sequence if now else 0)


def _alignment(earlier: Earlier, agreement: Agreement | None) -> Aligned | None:
    """How the camera stands to what is carried over as it is; another network's embeddings say nothing about that."""
    if earlier.alignment is None or agreement is None or not agreement.is_close:
        return None
    return earlier.alignment


def _with(snapshot: Snapshot, planned: Sequence[Planned]) -> Snapshot:
    for one in planned:
        if one.enrolment is not None and one.enrolment.state == "approved":
            snapshot = extended(snapshot, one.enrolment, merged_parts(one.enrolment))
    return snapshot


def _decisions(earlier: Earlier, planned: Sequence[Planned], watch: Watch, bundle: Bundle) -> Decisions | None:
    """What is decided about the images that come over, before and after; None where that is not known."""
    images = [image for one in planned for image in images_of(one)]
    if earlier.decided is None or watch.snapshot is None or not images:
        return None
    try:
        return compared(images, earlier.decided, watch.snapshot, bundle.manifest.decision)
    except (BundleError, GalleryError) as error:  # such as a head that this runtime does not know: nothing hangs on it
        _logger.warning("%s: what was decided there can't be computed (%s)", earlier.path, error)
        return None


def _refuse_missing(planned: Sequence[Planned]) -> None:
    if missing := lost(planned):
        raise GalleryError(
            f"{'; '.join(missing)}; nothing was carried over: --force carries over the others, --check names them all"
        )


def _told(
    earlier: Earlier,
    planned: Sequence[Planned],
    agreement: Agreement | None,
    watch: Watch,
    parts: int,
    sequence: int,
) -> Carried:
    notes = [*notes_of(planned), *earlier.notes]
    if earlier.alignment is not None and _alignment(earlier, agreement) is None:
        notes.append("the alignment to a changed camera, which is another network's: realign again where it is needed")
    return Carried(
        source=earlier.path,
        ways=images_by_way(planned),
        agreement=agreement,
        notes=tuple(notes),
        missing=missing_of(planned),
        abouts=abouts_of(planned),
        decisions=None,
        challenge=watch.sentences,
        parts=parts,
        sequence=sequence,
    )
