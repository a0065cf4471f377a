"""What is asked for, done by the owner with its own gallery, its own challenge parts and its own judge."""

from __future__ import annotations

import dataclasses
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from edgefs_runtime.asking.forms import Blobs, aligned_of, enrolments_of, keys_of
from edgefs_runtime.asking.frames import Frame, FrameError
from edgefs_runtime.asking.messages import Answer, Request, number, text
from edgefs_runtime.base.errors import EdgefsError, GalleryError
from edgefs_runtime.decision.judge import Judge
from edgefs_runtime.decision.snapshot import Enrolment
from edgefs_runtime.gallery.foreign import parse_row
from edgefs_runtime.gallery.owned import now
from edgefs_runtime.gallery.rows import fault_of
from edgefs_runtime.gallery.seed import Seed, event_of

if TYPE_CHECKING:
    from edgefs_runtime.gallery import Gallery
    from edgefs_runtime.gallery.owned import Guard

T = TypeVar("T")
Did = Callable[["Gallery", "Guard | None"], Any]


class Owner(Protocol):
    """What a process has of the gallery that it owns: `edgefs_runtime.session.Session`."""

    @property
    def lock(self) -> threading.RLock:
        """Held by whoever acts."""

    @property
    def owned(self) -> Gallery | None:
        """The gallery, where this process owns it."""

    @property
    def seed(self) -> Seed:
        """What the bundle in use says about the gallery."""

    @property
    def decides(self) -> tuple[Judge | None, str]:
        """What decides at this moment, and a sentence where the latest act brought another head."""

    def act(self, do: Callable[[Any, Guard | None], T], done: str, *, force: bool) -> T:
        """Do one act, by which is decided from then on."""


def perform(owner: Owner, gallery: Gallery, frame: Frame) -> Answer:
    """Do what a frame asks for, while the owner's lock is held.

    Raises:
        FrameError: it asks for what no edgefs asks for.
    """
    request = Request.from_json(frame.fields)
    _refuse_another_bundle(request.bundle, owner.seed)
    try:
        if request.ask in _TOLD:
            return dataclasses.replace(_answer(owner, gallery, _TOLD[request.ask](gallery)), head_note="")
        did = _read(request, iter(frame.blobs), owner.seed)
        if request.behind is not None and request.behind != (gallery.device, gallery.sequence):
            return Answer((gallery.device, gallery.sequence), is_passed_over=True)
        return _answer(owner, gallery, owner.act(did, request.done, force=request.force))
    except FrameError:
        raise
    except EdgefsError as error:
        return Answer((gallery.device, gallery.sequence), error=str(error))


def _refuse_another_bundle(digest: str, seed: Seed) -> None:
    if digest != seed.digest:
        raise FrameError(
            f"the process that owns the gallery runs another bundle ({seed.digest[:12]}, this one is {digest[:12]}): "
            "give the bundle that it runs, or stop it"
        )


def _answer(owner: Owner, gallery: Gallery, result: Any) -> Answer:
    judge, head_note = owner.decides
    classes = len(judge.snapshot.labels) if judge else 0
    return Answer((gallery.device, gallery.sequence), classes, head_note, result)


def _read(request: Request, blobs: Blobs, seed: Seed) -> Did:
    """The act that a request asks for; everything that it says is looked at here."""
    if request.ask not in _ACTS:
        raise FrameError(f"the process that owns the gallery knows no {request.ask!r}; use one edgefs for both")
    try:
        did = _ACTS[request.ask](request.what, blobs, seed)
    except (ValueError, KeyError, TypeError) as error:
        raise FrameError("what came through the socket asks for what no edgefs asks for") from error
    if next(blobs, None) is not None:
        raise FrameError("what came through the socket holds more than it speaks of")
    return did


def _enroll(what: Mapping[str, Any], blobs: Blobs, seed: Seed) -> Did:
    enrolments = _checked(enrolments_of(what["enrolments"], blobs), seed)
    return lambda gallery, guard: gallery.enroll_together(enrolments, guard)


def _align(what: Mapping[str, Any], blobs: Blobs, seed: Seed) -> Did:
    drafted = aligned_of(what["aligned"], blobs)
    if drafted is None:
        raise ValueError("no alignment")
    return lambda gallery, guard: gallery.align(drafted, guard)


def _carry(what: Mapping[str, Any], blobs: Blobs, seed: Seed) -> Did:
    enrolments = _checked(enrolments_of(what["enrolments"], blobs), seed)
    taught = list(zip(enrolments, keys_of(what["origins"]), strict=True))
    alignment, source, by = aligned_of(what["aligned"], blobs), text(what["source"]), _by(what)
    return lambda gallery, guard: gallery.carry(taught, alignment, source, guard, **by)


def _forget(what: Mapping[str, Any], blobs: Blobs, seed: Seed) -> Did:
    label, by = text(what["label"]), _by(what)
    return lambda gallery, guard: gallery.forget(label, guard, **by)


def _remove(what: Mapping[str, Any], blobs: Blobs, seed: Seed) -> Did:
    images, by = text(what["images"]), _by(what)
    return lambda gallery, guard: gallery.remove(images, guard, **by)


def _approve(what: Mapping[str, Any], blobs: Blobs, seed: Seed) -> Did:
    act, by = text(what["act"]), _by(what)
    return lambda gallery, guard: gallery.approve(act, guard, **by)


def _undo(what: Mapping[str, Any], blobs: Blobs, seed: Seed) -> Did:
    by = _by(what)
    return lambda gallery, guard: gallery.undo(guard, **by)


def _merge(what: Mapping[str, Any], blobs: Blobs, seed: Seed) -> Did:
    other, by = Path(text(what["other"])), _by(what)
    if not other.is_absolute():
        raise ValueError("a path from another folder")
    return lambda gallery, guard: dict(vars(gallery.merge(other, guard, **by)))


def _compact(what: Mapping[str, Any], blobs: Blobs, seed: Seed) -> Did:
    keep_days = None if what["keep_days"] is None else number(what["keep_days"])
    return lambda gallery, guard: gallery.compact(keep_days)._asdict()


def _by(what: Mapping[str, Any]) -> dict[str, str]:
    """Who does it, and why."""
    return {"actor": text(what["actor"]), "reason": text(what["reason"])}


def _checked(enrolments: list[Enrolment], seed: Seed) -> list[Enrolment]:
    """Enrolments whose rows are those of a gallery like this one; a process of the same user may be another edgefs.

    Raises:
        GalleryError: names what is wrong.
    """
    for enrolment in enrolments:
        row = event_of(enrolment, seed, device="of another process", seq=1, time=now())
        if fault := fault_of(row):
            raise GalleryError(f"what is to be taught as {enrolment.label!r} {fault}; nothing was enrolled")
        parse_row(row, seed, {})
    return enrolments


_ACTS: dict[str, Callable[[Mapping[str, Any], Blobs, Seed], Did]] = {
    "enroll": _enroll,
    "align": _align,
    "carry": _carry,
    "forget": _forget,
    "remove": _remove,
    "approve": _approve,
    "undo": _undo,
    "merge": _merge,
    "compact": _compact,
}
_TOLD: dict[str, Callable[[Gallery], Any]] = {
    "state": lambda gallery: {"aligned": gallery.is_aligned, "refined": sorted(gallery.refined_labels())},
    "known": lambda gallery: gallery.known(),
}
