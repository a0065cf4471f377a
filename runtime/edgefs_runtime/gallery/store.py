"""The acts of a gallery's owner: what is taught, taken away, merged and mended, each whole or not at all."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from edgefs_runtime.base.labels import labels_of, readable
from edgefs_runtime.base.state import lies
from edgefs_runtime.decision.snapshot import Enrolment
from edgefs_runtime.gallery.aligned import Aligned, align_event
from edgefs_runtime.gallery.carried import carried_rows
from edgefs_runtime.gallery.choosing import images_of, pending_of, unknown_class
from edgefs_runtime.gallery.compacting import Freed
from edgefs_runtime.gallery.database import GalleryDamagedError, gallery_errors, read_meta
from edgefs_runtime.gallery.decrees import Picture, approve_event, repair_event, restore_event
from edgefs_runtime.gallery.ledger import once_per_origin
from edgefs_runtime.gallery.merging import Merged, blobs_of, difference, merge_rows, read_other, shots_of_rows
from edgefs_runtime.gallery.owned import Guard, Owned, now
from edgefs_runtime.gallery.records import Key, json_list
from edgefs_runtime.gallery.seed import event_of, shots_of
from edgefs_runtime.gallery.undoing import removal, removal_of_images, undo_rows


class Gallery(Owned):
    """Labelled embeddings on disk, held by their one writer. Use it in a `with` block, or call `close`.

    Methods may be called from several threads of the owning process.
    """

    def enroll(self, enrolment: Enrolment, guard: Guard | None = None) -> int:
        """Add one act of teaching and return the new sequence. Pending rows are kept but do not count.

        Args:
            enrolment: what is taught.
            guard: called before anything is written; a snapshot that it is shown has no labels where no class is left.

        Raises:
            GalleryError: embeddings of another dimension, or the file can't be written; nothing is enrolled then.
        """
        return self.enroll_together([enrolment], guard)

    def enroll_together(self, enrolments: Sequence[Enrolment], guard: Guard | None = None) -> int:
        """Add several classes in one act, which one undo takes back, and return the new sequence.

        Raises:
            GalleryError: as `enroll`.
        """
        with self._lock:
            first, time = self._next_seq(), now()
            events, shots = [], []
            for seq, enrolment in enumerate(enrolments, start=first):
                event = event_of(enrolment, self._seed, device=self.device, seq=seq, time=time)
                events.append(event._replace(operation=first))
                shots += shots_of(enrolment, self.device, seq)
            self._append(events, shots, guard)
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
        """Add what was taught to another gallery, in one act that one undo takes back, and return the new sequence.

        Args:
            taught: embeddings of this gallery's space, each with the row that it was taught by there: wherever the same
                row is carried over, it counts once.
            alignment: of this device's camera, which counts from now on and maps none of these.
            source: name of the other gallery's file.
            guard: as for `enroll`.
            actor: who does it.
            reason: why.

        Raises:
            GalleryError: as `enroll`.
        """
        with self._lock:
            events, shots = carried_rows(taught, alignment, source, self._seed, self._act(actor, reason))
            self._append(events, shots, guard)
            return self.sequence

    def align(self, drafted: Aligned, guard: Guard | None = None) -> int:
        """Map what this device's camera sees from now on by an alignment, and return the new sequence.

        Rows that are enrolled here from now on are mapped by it too; those before it stay as they are.

        Args:
            drafted: the alignment, and what is told of it.
            guard: as for `enroll`.

        Raises:
            GalleryError: it is of another embedding space, or the file can't be written; nothing is changed then.
        """
        with self._lock:
            event = align_event(drafted, self._seed, self._act(drafted.actor, drafted.reason))
            self._append([event], guard=guard)
            return self.sequence

    def forget(self, label: str, guard: Guard | None = None, *, actor: str = "", reason: str = "") -> int:
        """Take a class away, pending rows too, and return the number of its images.

        Args:
            label: the class.
            guard: as for `enroll`.
            actor: who does it.
            reason: why.

        Raises:
            GalleryError: no such class, or the file can't be written.
        """
        with self._lock:
            live = self._ledger.live(self._seed.device)
            labels = labels_of(label, {event.label for event in live})
            events = [event for event in live if event.label in labels]
            if not events:
                raise unknown_class(label, {event.label for event in live})
            images = self._ledger.images(once_per_origin(events))
            self._append([removal(self._act(actor, reason), "forget", events, images)], guard=guard, takes_away=True)
            return images

    def remove(self, what: str, guard: Guard | None = None, *, actor: str = "", reason: str = "") -> tuple[str, int]:
        """Take single images away, and return their class and their number; `undo` brings them back.

        Args:
            what: the number of an act of teaching, as the log shows it (`7`, or `5eed01:7` of another device), or of
                one of its images (`7.2` for the second), or the SHA-256 of an image, or its first digits (at least 8).
            guard: as for `enroll`.
            actor: who does it.
            reason: why.

        Raises:
            GalleryError: nothing that counts or is pending is meant by it, or the file can't be written.
        """
        with self._lock:
            label, images = images_of(self._ledger, what, self._seed.device)
            row = removal_of_images(self._act(actor, reason), label, images)
            self._append([row], guard=guard, takes_away=True)
            return label, row.n

    def approve(self, what: str, guard: Guard | None = None, *, actor: str, reason: str) -> tuple[str, int]:
        """Let pending images count, and return their class and their number.

        Args:
            what: the number of the act that taught them, as the log shows it.
            guard: as for `enroll`.
            actor: who approves, and did not teach them.
            reason: why.

        Raises:
            GalleryError: nothing pending has this number, nobody is named or no reason given, who taught it would
                approve it, or the file can't be written.
        """
        with self._lock:
            events = pending_of(self._ledger, what, self._seed.device)
            images = self._ledger.images(events)
            row = approve_event(events, images, self._seed, self._act(actor, reason))
            self._append([row], guard=guard, takes_away=True)
            return row.label, images

    def compact(self, keep_days: int | None) -> Freed:
        """Let go of the embeddings and pictures that were forgotten more than so many days ago; the log stays.

        What the device's latest act took away stays, so that it can be undone.

        Args:
            keep_days: from now on; None for the default.

        Raises:
            GalleryError: the file can't be written.
        """
        with self._lock, gallery_errors(self.path):
            self._refuse_closed()
            if self._ledger.problems:
                raise GalleryDamagedError(f"gallery {self.path} is damaged; mend it with `edgefs gallery repair` first")
            meta = read_meta(self._connection, self.path)._replace(keep_days=keep_days)
            freed = self._writer.compact(self._ledger, meta)
            self._keep_days = keep_days
            return freed

    def mend(
        self,
        restored: Sequence[tuple[Enrolment, Key]],
        lost: Sequence[Key],
        pictures: Sequence[Picture],
        kept: str,
        *,
        actor: str,
        reason: str,
    ) -> None:
        """Write that rows are lost, and what could be taught again of them, in one act that no undo takes back.

        Args:
            restored: embeddings with the row that they were taught by.
            lost: rows that are missed no more.
            pictures: thumbnails that are missed no more.
            kept: name of the copy of the damaged file.
            actor: who does it.
            reason: why.

        Raises:
            GalleryError: the file can't be written.
        """
        with self._lock:
            act = self._act(actor, reason)
            rows, shots = [repair_event(lost, pictures, kept, self._seed, act)], []
            for seq, (enrolment, origin) in enumerate(restored, start=act.seq + 1):
                event = event_of(enrolment, self._seed, device=self.device, seq=seq, time=act.time)
                rows.append(event._replace(operation=act.seq, restores=json_list(origin)))
                shots += shots_of(enrolment, self.device, seq)
            self._append(rows, shots, takes_away=True)

    def note_restored(self, source: str, device: str, *, actor: str, reason: str) -> None:
        """Write that a backup was put in this file's place, as a row of the log.

        Raises:
            GalleryError: the file can't be written.
        """
        with self._lock:
            self._append([restore_event(source, device, self._seed, self._act(actor, reason))], takes_away=True)

    def undo(self, guard: Guard | None = None, *, actor: str = "", reason: str = "") -> str:
        """Take back this device's latest act that is not undone, and return a sentence that says what that was.

        A merge is one act, and goes with the removals that it brought; other devices' acts are undone there.

        Args:
            guard: as for `enroll`.
            actor: who does it.
            reason: why.

        Raises:
            GalleryError: nothing is left to undo, or the file can't be written.
        """
        with self._lock:
            rows, sentence = undo_rows(self._ledger, self._act(actor, reason))
            self._append(rows, guard=guard, takes_away=True)
            return sentence

    def merge(self, other: Path, guard: Guard | None = None, *, actor: str = "", reason: str = "") -> Merged:
        """Add what another device's gallery holds, its removals too, in one act.

        The order in which galleries are merged does not matter, and merging twice changes nothing.

        Args:
            other: the other gallery.
            guard: as for `enroll`.
            actor: who does it.
            reason: why.

        Raises:
            GalleryError: `other` is damaged, of another embedding space, owned by another process, or a copy of this
                file that went its own way; nothing is merged then.
        """
        with self._lock:
            if lies(other) and other.samefile(self.path):
                return Merged()
            theirs, shots = read_other(other, self._seed)
            found = difference(self._ledger, theirs)
            if not found.new and not found.counts:
                return Merged()
            rows, deed = merge_rows(self._ledger, found, readable(other.name), self._seed, self._act(actor, reason))
            known = [*found.again, *rows]
            blobs = blobs_of(self._ledger, theirs, known)
            after = self._asked(guard, known, blobs)
            self._write(rows, shots_of_rows(shots, rows), blobs, after)
            return Merged(found.rows, deed.added, deed.removed)
