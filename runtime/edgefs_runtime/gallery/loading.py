"""From a file's rows to a ledger: what is damaged is set apart and named, and the rest decides and teaches on.

Opening looks at every row's CRC, at gaps in the numbers, at the tips, at the mark beside the file, and at the digest
of every blob that counts. A damaged row counts no more than a lost one; what it was about is told as far as it can be
read.
"""

from __future__ import annotations

import hashlib
import json
import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from edgefs_runtime.base.wording import counted, plain
from edgefs_runtime.decision.judged import MOST
from edgefs_runtime.gallery.blobs import BlobDamagedError, Opened, StoredBlobs
from edgefs_runtime.gallery.database import gallery_errors, read_meta
from edgefs_runtime.gallery.decrees import lost_of
from edgefs_runtime.gallery.first_pages import FirstPagesConnection
from edgefs_runtime.gallery.ledger import Ledger, Problem, Tip
from edgefs_runtime.gallery.mark import Mark, read_mark
from edgefs_runtime.gallery.records import SEED_PREFIX, Event, Key, Record, Removed, is_intact
from edgefs_runtime.gallery.rows import fault_of
from edgefs_runtime.gallery.stored import Stored, read_stored, refuse_cut

_MOST_NUMBERS = 1_000_000  # that a tip may be ahead of the rows; more is the tip's own damage
_MOST_PARTS = 5  # that a sentence names


def load_ledger(
    connection: sqlite3.Connection, path: Path, mark: Mark | None = None, later: Opened | None = None
) -> Ledger:
    """Read all rows; what is damaged or missing is in the ledger's `problems` and does not count.

    Args:
        connection: to the file.
        path: of the file.
        mark: what was acknowledged last, where it was read before the file; else it is read now, of the file that the
            connection reads: a copy that was made beside an owner has the mark of that moment.
        later: opens the file again: the embeddings of a large gallery are then read, and checked, when asked for.

    Raises:
        GalleryDamagedError: SQLite can't read the file, it ends too early, or the row that describes it is damaged.
    """
    with gallery_errors(path):
        meta = read_meta(connection, path)
        has_first_pages = not isinstance(connection, FirstPagesConnection)
        if has_first_pages:
            refuse_cut(connection, path)
        stored = read_stored(connection, None if later is None or not has_first_pages else MOST)
        if not has_first_pages:
            stored = stored._replace(is_torn=True)
        (_, _, file), *_ = connection.execute("PRAGMA database_list")
    own = (meta.device, *json.loads(meta.formerly or "[]"))
    return ledger_of(stored, mark or read_mark(Path(file)), own, later)


def ledger_of(stored: Stored, mark: Mark | None, own: tuple[str, ...], later: Opened | None = None) -> Ledger:
    """The ledger of what a file holds.

    Args:
        stored: rows, whatever their checksums say.
        mark: what was acknowledged last; None where that is not known.
        own: the file's name for itself, and those that it had before it was restored.
        later: opens the file again, where embeddings were left in it.
    """
    ledger = sorted_out(stored.records, stored.tips, mark, own)
    ledger.blobs = stored.blobs if stored.sizes is None or later is None else StoredBlobs(stored.sizes, later)
    if stored.is_torn:
        ledger.is_torn = True
        ledger.problems.append(Problem((), "some of the file's pages can't be read"))
    unread = _without_blobs(ledger)
    ledger.problems += [problem for key, problem in unread.items() if key not in ledger.lost]
    ledger.set_apart(unread)
    return ledger


def sorted_out(
    records: Iterable[Record], tips: dict[str, Tip] | None, mark: Mark | None, own: tuple[str, ...]
) -> Ledger:
    """The ledger of the rows that are what was written, with a problem for each that is not or that is missing."""
    whole, broken = _told_apart(records)
    ledger = Ledger(whole.values(), own[0], own[1:])
    ledger.is_noted = bool(tips)
    problems = [_of_broken(record) for record in broken]
    named = {key for problem in problems for key in problem.keys}
    if tips is None:
        problems.append(Problem((), "the table of last rows is damaged"))
    lost = lost_of(whole.values())
    ledger.lost = lost
    for device, last in _last_rows(ledger, tips or {}, mark).items():
        missing = [seq for seq in range(1, last[0] + 1) if (device, seq) not in whole and (device, seq) not in lost]
        problems += _of_missing(device, [seq for seq in missing if (device, seq) not in named], mark)
        ledger.tips[device] = last
    problems += _of_tips(ledger, whole, tips or {})
    for record in broken:
        if isinstance(record, Removed) and (still := _still_removes(record, whole)):
            ledger.removals[record.key] = still
    ledger.problems = problems
    return ledger


def name_of(record: Record) -> str:
    """`event 3 of device 5eed…`."""
    table = "event" if isinstance(record, Event) else "removal"
    return f"{table} {record.seq} of device {record.device!s:.50}"


def told_of(record: Record) -> str:
    """What a row was about, as far as it can be read: `3 images of 'dent', taught 2026-…, parts a and b`."""
    if not isinstance(record, Event):
        return f"it took away {record.label!s:.80}, {record.time!s:.40}"
    if record.kind != "enroll":
        return f"{record.kind!s:.20}, {record.time!s:.40}"
    try:
        parts = sorted({str(part) for part in json.loads(record.parts) if part})
    except (ValueError, TypeError, RecursionError):
        parts = []
    more = f" and {len(parts) - _MOST_PARTS} more" if len(parts) > _MOST_PARTS else ""
    named = f", parts {', '.join(parts[:_MOST_PARTS])}{more}" if parts else ""
    number = counted(record.n, "image") if isinstance(record.n, int) else "images"
    taught = f", taught {record.time!s:.40}" if record.time else ""
    return f"{number} of {str(record.label)[:80]!r}{taught}{named}"


def _told_apart(records: Iterable[Record]) -> tuple[dict[Key, Record], list[Record]]:
    """Rows that are what was written, and those that are not; a damaged tree can show one of them twice."""
    whole: dict[Key, Record] = {}
    broken: list[Record] = []
    for record in records:
        if is_intact(record) and not fault_of(record) and whole.setdefault(record.key, record) == record:
            continue
        broken.append(record)
    return whole, [record for record in broken if record.key not in whole]


def _last_rows(ledger: Ledger, tips: dict[str, Tip], mark: Mark | None) -> dict[str, Tip]:
    """The last row of every device by the rows, the tips and the mark: the highest that can be believed."""
    last = dict(ledger.tips)
    for device, tip in tips.items():
        seq, digest = last.get(device, (0, ""))
        if seq < tip[0] <= seq + _MOST_NUMBERS and digest != tip[1]:
            last[device] = tip
    if mark is not None and mark.device == ledger.device and mark.seq > last.get(mark.device, (0, ""))[0]:
        last[mark.device] = (mark.seq, mark.hash)
    return last


def _of_broken(record: Record) -> Problem:
    keys = (record.key,) if isinstance(record.seq, int) and isinstance(record.device, str) else ()
    if is_intact(record) and (fault := fault_of(record)):
        return Problem(keys, plain(f"{name_of(record)} {fault}, it does not count: {told_of(record)}"), True)
    return Problem(
        keys, plain(f"the checksum of {name_of(record)} is wrong, it does not count: {told_of(record)}"), True
    )


def _of_missing(device: str, missing: list[int], mark: Mark | None) -> Iterator[Problem]:
    for first, last in _runs(missing):
        one = first == last
        numbers = f"row {first}" if one else f"rows {first} to {last}"
        is_marked = mark is not None and mark.device == device and last == mark.seq
        when = f", acknowledged at the latest {mark.time}," if mark is not None and is_marked else ""
        sentence = (
            f"{numbers} of device {device:.50}{when} {'is' if one else 'are'} lost: "
            "what was taught there does not count, what was taken away may count again"
        )
        yield Problem(tuple((device, seq) for seq in range(first, last + 1)), plain(sentence))


def _of_tips(ledger: Ledger, whole: dict[Key, Record], tips: dict[str, Tip]) -> Iterator[Problem]:
    for device, (seq, digest) in tips.items():
        record = whole.get((device, seq))
        if (record is not None and record.hash != digest) or ledger.tips.get(device, (0, ""))[0] < seq:
            yield Problem((), plain(f"the last row of device {device:.50} is not the one that was noted"))
    for device in ledger.tips.keys() - tips.keys() if tips else ():
        if not device.startswith(SEED_PREFIX):
            yield Problem((), plain(f"the last row of device {device:.50} was not noted"))


def _still_removes(record: Removed, whole: dict[Key, Record]) -> Removed | None:
    """A damaged removal, where what it names is there: that is certain enough to go on not to count."""
    try:
        keys = record.target_keys
        is_sure = bool(keys) and all(key in whole for key in keys)
        return record if is_sure and isinstance(record.seq, int) and isinstance(record.device, str) else None
    except (ValueError, TypeError, RecursionError):
        return None


def read_blobs(ledger: Ledger) -> None:
    """Read, and check, the embeddings that were left in the file; events of which they are damaged are set apart."""
    left = ledger.blobs
    if not isinstance(left, StoredBlobs):
        return
    found: dict[str, bytes] = {}
    with left.reading():
        for digest in list(left):
            try:
                found[digest] = left[digest]
            except BlobDamagedError:
                set_damaged_apart(ledger, digest)
    ledger.blobs = found


def set_damaged_apart(ledger: Ledger, digest: str) -> None:
    """Set the events apart whose embeddings turned out to be damaged when they were read."""
    for event in ledger.standing():
        if event.vectors_digest == digest:
            ledger.problems.append(_of_blob(event, "damaged"))
            ledger.set_apart([event.key])
    if digest in ledger.blobs:  # `pop` would read it
        del ledger.blobs[digest]


def _without_blobs(ledger: Ledger) -> dict[Key, Problem]:
    """Events that would count and whose embeddings are gone or changed; which others lack them is no matter."""
    problems: dict[Key, Problem] = {}
    for event in ledger.standing():
        wanted = event.vectors_digest
        if not wanted:
            continue
        if wanted not in ledger.blobs:
            problems[event.key] = _of_blob(event, "lost")
        elif not _is_whole(ledger.blobs, wanted, 4 * event.n * event.dim):
            problems[event.key] = _of_blob(event, "damaged")
    return problems


def _is_whole(blobs: Mapping[str, bytes], digest: str, size: int) -> bool:
    """Whether embeddings are what was written; of those that stay in the file, whether they are as long."""
    if isinstance(blobs, StoredBlobs):
        return blobs.size(digest) == size
    return len(blobs[digest]) == size and hashlib.sha256(blobs[digest]).hexdigest() == digest


def _of_blob(event: Event, fault: str) -> Problem:
    sentence = f"the embeddings of {name_of(event)} are {fault}, it does not count: {told_of(event)}"
    return Problem((event.key,), plain(sentence), True)


def _runs(numbers: list[int]) -> list[tuple[int, int]]:
    runs: list[tuple[int, int]] = []
    for number in numbers:
        if runs and runs[-1][1] == number - 1:
            runs[-1] = (runs[-1][0], number)
        else:
            runs.append((number, number))
    return runs
