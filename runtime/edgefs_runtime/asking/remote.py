"""A gallery that another process owns, with the acts of `Gallery`: each is done there.

    remote = Remote(path, seed, "enrolled", force=False, wait=10)
    sequence = remote.enroll(enrolment)

What the acts are computed from is read here, as any reader does; the owner does an act only behind the row that this
was read at. Whoever is passed over begins again.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from edgefs_runtime.asking.forms import (
    aligned_blobs,
    aligned_fields,
    enrolment_blobs,
    enrolment_fields,
)
from edgefs_runtime.asking.frames import FrameError
from edgefs_runtime.asking.line import PassedOverError, ask
from edgefs_runtime.asking.messages import Request, counts, listing, mapping, number, text, truth
from edgefs_runtime.decision.snapshot import Enrolment, Snapshot, extended
from edgefs_runtime.gallery.aligned import Aligned
from edgefs_runtime.gallery.compacting import Freed
from edgefs_runtime.gallery.merging import Merged
from edgefs_runtime.gallery.reading import read_snapshot
from edgefs_runtime.gallery.records import Key
from edgefs_runtime.gallery.seed import Seed

if TYPE_CHECKING:
    from edgefs_runtime.gallery.owned import Guard

T = TypeVar("T")


class Remote:
    """The gallery of another process, for one act. A guard that is passed to one is asked there, by the owner.

    Args:
        path: the gallery's file.
        seed: of the bundle in use.
        done: what then was not done, as `enrolled`.
        force: whether challenge parts are not asked.
        wait: seconds until the owner must have begun, at most.

    Attributes:
        device: the name under which the gallery numbers its acts.
        sequence: number of rows beyond the seed's.
        is_aligned: whether its device's camera was realigned, and that stands.
        classes: how many classes count.
        head_note: a sentence, where the act brought another head to decide; else empty.
    """

    def __init__(self, path: Path, seed: Seed, done: str, *, force: bool, wait: float) -> None:
        self.path = path
        self.device, self.sequence, self.classes, self.head_note = "", 0, 0, ""
        self._seed, self._done, self._force, self._wait = seed, done, force, wait
        state = self._told("state")
        self.is_aligned = _parsed(lambda: truth(mapping(state)["aligned"]))
        self._refined = _parsed(lambda: {text(label) for label in listing(state["refined"])})

    def snapshot(self) -> Snapshot:
        """What counts now.

        Raises:
            PassedOverError: another act came meanwhile.
            GalleryError: as `read_snapshot`.
        """
        snapshot = read_snapshot(self.path, self._seed)
        if snapshot.sequence != self.sequence:
            raise PassedOverError
        return snapshot

    def known(self) -> dict[str, str]:
        """The class of every image that was taught and counts or is pending, by the image's digest."""
        found = self._told("known")
        return _parsed(lambda: {text(digest): text(label) for digest, label in mapping(found).items()})

    def refined_labels(self) -> set[str]:
        """Classes that a mean of unlabelled images was added to, and counts."""
        return self._refined

    def enroll(self, enrolment: Enrolment, guard: Guard | None = None) -> int:
        """As `Gallery.enroll`."""
        return self.enroll_together([enrolment], guard)

    def enroll_together(self, enrolments: Sequence[Enrolment], guard: Guard | None = None) -> int:
        """As `Gallery.enroll_together`."""
        blobs = [blob for enrolment in enrolments for blob in enrolment_blobs(enrolment)]
        self._act("enroll", blobs, enrolments=[enrolment_fields(enrolment) for enrolment in enrolments])
        return self.sequence

    def align(self, drafted: Aligned, guard: Guard | None = None) -> int:
        """As `Gallery.align`."""
        self._act("align", aligned_blobs(drafted), aligned=aligned_fields(drafted))
        return self.sequence

    def carry(
        self,
        taught: Sequence[tuple[Enrolment, Key]],
        alignment: Aligned | None,
        source: str,
        guard: Guard | None = None,
        *,
        actor: str = "",
        reason: str = "",
    ) -> int:
        """As `Gallery.carry`; the guard knows the earlier gallery's parts, and is asked here too."""
        if guard is not None:
            before = self.snapshot()
            guard(before, _with(before, [enrolment for enrolment, _ in taught]))
        blobs = [blob for enrolment, _ in taught for blob in enrolment_blobs(enrolment)]
        self._act(
            "carry",
            [*blobs, *aligned_blobs(alignment)],
            enrolments=[enrolment_fields(enrolment) for enrolment, _ in taught],
            origins=[list(key) for _, key in taught],
            aligned=aligned_fields(alignment),
            source=source,
            actor=actor,
            reason=reason,
        )
        return self.sequence

    def forget(self, label: str, guard: Guard | None = None, *, actor: str = "", reason: str = "") -> int:
        """As `Gallery.forget`."""
        found = self._act("forget", label=label, actor=actor, reason=reason)
        return _parsed(lambda: number(found))

    def remove(self, what: str, guard: Guard | None = None, *, actor: str = "", reason: str = "") -> tuple[str, int]:
        """As `Gallery.remove`."""
        found = self._act("remove", images=what, actor=actor, reason=reason)
        return _parsed(lambda: _label_and_number(found))

    def approve(self, what: str, guard: Guard | None = None, *, actor: str, reason: str) -> tuple[str, int]:
        """As `Gallery.approve`."""
        found = self._act("approve", act=what, actor=actor, reason=reason)
        return _parsed(lambda: _label_and_number(found))

    def undo(self, guard: Guard | None = None, *, actor: str = "", reason: str = "") -> str:
        """As `Gallery.undo`."""
        found = self._act("undo", actor=actor, reason=reason)
        return _parsed(lambda: text(found))

    def merge(self, other: Path, guard: Guard | None = None, *, actor: str = "", reason: str = "") -> Merged:
        """As `Gallery.merge`; the owner reads the other gallery."""
        found = self._act("merge", other=str(other.absolute()), actor=actor, reason=reason)
        return _parsed(lambda: Merged(number(found["rows"]), counts(found["added"]), counts(found["removed"])))

    def compact(self, keep_days: int | None) -> Freed:
        """As `Gallery.compact`."""
        found = self._act("compact", keep_days=keep_days)
        return _parsed(lambda: Freed(number(found["images"]), number(found["bytes"])))

    def _told(self, what: str) -> Any:
        return self._asked(Request(what, self._seed.digest), ())

    def _act(self, name: str, blobs: Sequence[bytes] = (), **what: Any) -> Any:
        behind = (self.device, self.sequence)
        return self._asked(Request(name, self._seed.digest, behind, self._force, self._done, what), blobs)

    def _asked(self, request: Request, blobs: Sequence[bytes]) -> Any:
        answer = ask(self.path, request, blobs, self._wait)
        if request.behind is None and self.device and answer.position != (self.device, self.sequence):
            raise PassedOverError
        (self.device, self.sequence), self.classes = answer.position, answer.classes
        self.head_note = answer.head_note
        return answer.result


def _label_and_number(value: Any) -> tuple[str, int]:
    label, count = listing(value)
    return text(label), number(count)


def _with(snapshot: Snapshot, enrolments: Sequence[Enrolment]) -> Snapshot:
    for enrolment in enrolments:
        if enrolment.state == "approved":
            parts = [group or digest for group, digest in zip(enrolment.groups, enrolment.digests, strict=True)]
            snapshot = extended(snapshot, enrolment, [parts.index(part) for part in parts])
    return snapshot


def _parsed(read: Callable[[], T]) -> T:
    """What an answer says.

    Raises:
        FrameError: it says something else.
    """
    try:
        return read()
    except (ValueError, KeyError, TypeError) as error:
        raise FrameError("what came through the socket is no answer of edgefs") from error
