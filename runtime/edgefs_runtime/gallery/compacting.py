"""Letting go of what was forgotten long ago: embeddings and pictures go, rows and their hashes stay.

What counts, and what an undo may still bring back, stays. A site sets for how many days (`Meta.keep_days`); where it
has set nothing these are DAYS, and of what was forgotten no more than MOST bytes, the oldest going first. What the
device's latest act took away always stays. A row of before schema 3 carries its embeddings, and keeps them.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable
from datetime import datetime, timedelta, timezone
from typing import NamedTuple

from edgefs_runtime.gallery.contents import named_blobs
from edgefs_runtime.gallery.ledger import Ledger
from edgefs_runtime.gallery.records import SEED_PREFIX, Event, Key
from edgefs_runtime.gallery.schema import delete_stored

DAYS = 30
MOST = 64 * 1024 * 1024  # bytes


class Freed(NamedTuple):
    """What was let go.

    Attributes:
        images: of which embeddings or pictures were let go.
        bytes: that embeddings and pictures took.
    """

    images: int
    bytes: int


def let_go(connection: sqlite3.Connection, ledger: Ledger, keep_days: int | None) -> Freed:
    """Delete what need not stay, in one transaction; the ledger's blobs go with it.

    Raises:
        sqlite3.Error: it can't be written; nothing is deleted then.
    """
    forgotten = _forgotten(ledger)
    going = _beyond(ledger, forgotten, keep_days)
    staying = [event for event in ledger.events.values() if event.key not in going]
    blobs = ledger.blobs.keys() - named_blobs(staying)
    pictured = {ledger.pictures(event) for event in staying if event.kind == "enroll"}
    shots = [key for key in going if key not in pictured and any(json.loads(ledger.events[key].shots))]
    if not blobs and not shots:
        return Freed(0, 0)
    images = sum(event.n for event in ledger.events.values() if event.vectors_digest in blobs)
    query = "SELECT coalesce(sum(length(jpeg)), 0) FROM shot WHERE device = ? AND seq = ?"
    size = sum(ledger.size_of(digest) for digest in blobs)
    connection.execute("BEGIN IMMEDIATE")
    try:
        size += sum(connection.execute(query, key).fetchone()[0] for key in shots)
        delete_stored(connection, blobs, shots)
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise
    ledger.let_go(blobs)
    connection.executescript("PRAGMA incremental_vacuum")  # of `execute` it would be one page alone
    return Freed(images, size)


def _forgotten(ledger: Ledger) -> dict[Key, str]:
    """When each event that does not count was taken away: the latest removal's time."""
    standing = {event.key for event in ledger.standing()}
    times: dict[Key, str] = {}
    for removal in ledger.removals.values():
        if removal.key in ledger.hidden:
            continue
        for key in removal.target_keys:
            times[key] = max(removal.time, times.get(key, ""))
    return {
        key: times.get(key, times.get(event.origin, ""))
        for key, event in ledger.events.items()
        if event.kind == "enroll"
        and key not in standing
        and key not in ledger.hidden
        and not key[0].startswith(SEED_PREFIX)
        and (key in times or event.origin in times)
    }


def _beyond(ledger: Ledger, forgotten: dict[Key, str], keep_days: int | None) -> set[Key]:
    """Of what was forgotten, what no undo needs to bring back."""
    days = DAYS if keep_days is None else keep_days
    oldest = (datetime.now(timezone.utc) - timedelta(days=days)).isoformat(timespec="milliseconds")
    latest = _taken_by_the_latest_act(ledger)
    going: set[Key] = set()
    room = MOST if keep_days is None else None
    for key in sorted(forgotten, key=lambda key: (forgotten[key], key), reverse=True):
        if key in latest:
            continue
        size = 4 * ledger.events[key].n * ledger.events[key].dim
        room = None if room is None else room - size
        if forgotten[key] <= oldest or (room is not None and room < 0):
            going.add(key)
    return going


def _taken_by_the_latest_act(ledger: Ledger) -> set[Key]:
    number = ledger.last_undoable(ledger.device)
    rows = ledger.operation(ledger.device, number) if number is not None else []
    origins = {key for row in rows if not isinstance(row, Event) for key in row.target_keys}
    return origins | _with_origins(ledger, origins)


def _with_origins(ledger: Ledger, keys: Iterable[Key]) -> set[Key]:
    return {ledger.events[key].origin for key in keys if key in ledger.events}
