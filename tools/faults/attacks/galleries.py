"""Galleries whose rows are sealed as they should be, and hold what no edgefs wrote."""

from __future__ import annotations

import hashlib
import json
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

import numpy as np

from edgefs_runtime.gallery import Gallery
from edgefs_runtime.gallery.records import Event, Removed, seal
from faults.acts import enrolment, whole_line
from faults.attacks.making import BOMB, Attack

_NAME = "other.gallery"
_DEEP = "[" * 100_000 + "]" * 100_000


def foreign(folder: Path) -> Path:
    """A whole gallery of another device: two classes taught, one forgotten."""
    line = whole_line()
    path = folder / _NAME
    with Gallery.open(path, line.seed) as gallery:
        gallery.enroll(enrolment("extra", 2, line.seed.dim, thumbnail=500))
        gallery.enroll(enrolment("more", 2, line.seed.dim))
        gallery.forget("extra")
    return path


@contextmanager
def unlocked(path: Path) -> Iterator[sqlite3.Connection]:
    """The file without the triggers that hold it append-only; they are back at the end, as a stranger would have it."""
    path.with_name(path.name + ".mark").unlink(missing_ok=True)  # a gallery that travels has none
    with closing(sqlite3.connect(path)) as connection:
        query = "SELECT name, sql FROM sqlite_master WHERE type = 'trigger'"
        triggers = connection.execute(query).fetchall()
        for name, _ in triggers:
            connection.execute(f"DROP TRIGGER {name}")
        yield connection
        for _, sql in triggers:
            with suppress(sqlite3.Error):  # its table may be gone
                connection.execute(sql)
        connection.commit()


def _rows(path: Path, change: Callable[[Event | Removed], Event | Removed]) -> None:
    """Change this device's rows, and seal them anew as their own device would have."""
    with unlocked(path) as connection:
        (device,) = connection.execute("SELECT device FROM meta").fetchone()
        rows: list[Event | Removed] = []
        for kind, table in ((Event, "event"), (Removed, "removed")):
            query = f"SELECT {', '.join(kind._fields)} FROM {table} WHERE device = ?"
            rows += map(kind._make, connection.execute(query, (device,)))
        previous = "0" * 64
        connection.execute("PRAGMA ignore_check_constraints = ON")
        for row in sorted(rows, key=lambda row: row.seq):
            sealed = seal(_apart(connection, change(_whole(connection, row))), previous)
            table = "event" if isinstance(row, Event) else "removed"
            fields = ", ".join(f"{name} = ?" for name in row._fields)
            connection.execute(f"UPDATE {table} SET {fields} WHERE device = ? AND seq = ?", (*sealed, device, row.seq))
            connection.execute("UPDATE tip SET hash = ? WHERE device = ? AND seq = ?", (sealed.hash, device, row.seq))
            previous = sealed.hash


def _whole(connection: sqlite3.Connection, row: Event | Removed) -> Event | Removed:
    """The row with its vectors in it, also where they lie in the table of blobs."""
    if isinstance(row, Removed) or not row.content:
        return row
    digest = json.loads(row.content)["vectors"]["sha256"]
    return row._replace(vectors=connection.execute("SELECT data FROM blob WHERE sha256 = ?", (digest,)).fetchone()[0])


def _apart(connection: sqlite3.Connection, row: Event | Removed) -> Event | Removed:
    """The row with its vectors where the others have theirs."""
    if isinstance(row, Removed) or not row.content:
        return row
    if '"dtype":"<f4"' not in row.content.replace(" ", ""):  # an attack in itself
        return row._replace(vectors=b"")
    content = json.loads(row.content)
    data = row.vectors.encode() if isinstance(row.vectors, str) else row.vectors
    content["vectors"]["sha256"] = hashlib.sha256(data).hexdigest()
    connection.execute("INSERT OR IGNORE INTO blob VALUES (?, ?)", (content["vectors"]["sha256"], row.vectors))
    return row._replace(vectors=b"", content=json.dumps(content))


def _event(**fields: object) -> Attack:
    """The second event of the device with these fields; a function is given the old value."""

    def change(row: Event | Removed) -> Event | Removed:
        if row.seq != 2:
            return row
        return row._replace(**{k: v(getattr(row, k)) if callable(v) else v for k, v in fields.items()})

    def write(folder: Path) -> Path:
        path = foreign(folder)
        _rows(path, change)
        return path

    return write


def _removal(**fields: object) -> Attack:
    def write(folder: Path) -> Path:
        path = foreign(folder)
        _rows(path, lambda row: row._replace(**fields) if isinstance(row, Removed) else row)
        return path

    return write


def _vectors(change: Callable[[np.ndarray], np.ndarray]) -> Callable[[bytes], bytes]:
    return lambda old: change(np.frombuffer(old, "<f4").copy()).astype("<f4").tobytes()


def _large_thumbnail(folder: Path) -> Path:
    """A thumbnail of 900 MB that belongs to an event."""
    path = foreign(folder)
    with unlocked(path) as connection:
        connection.execute("UPDATE shot SET jpeg = zeroblob(900000000)")
    return path


def _thumbnail(data: bytes, media: str | None) -> Attack:
    """The kept pictures of the gallery's first event are these bytes, and the event names them."""

    def write(folder: Path) -> Path:
        path = foreign(folder)
        named = json.dumps([hashlib.sha256(data).hexdigest()] * 2)
        _rows(path, lambda row: row._replace(shots=named) if isinstance(row, Event) and row.label == "extra" else row)
        with unlocked(path) as connection:
            connection.execute(
                "UPDATE shot SET jpeg = ?, media = ? WHERE device IN (SELECT device FROM meta)", (data, media)
            )
        return path

    return write


_FIELDS: dict[str, tuple[object, ...]] = {
    "digests": ("{", "[]", '"x"', "[1, 2]", '["x", "y"]', _DEEP, "null", b"\xff"),
    "parts": ("{", '["a"]', "[1, 2]", _DEEP, '["\\u001b[2J", "a"]', '["a", ["b"]]'),
    "shots": ("{", "[1, 2]", _DEEP, '["' + "0" * 64 + '", ""]'),
    "restores": ("5", '["x"]', "{", _DEEP, '["x", "y"]', '["x", 1e999]'),
    "roi": ("5", '"x"', "[1e999, 0, 1, 1]", "[0, 0]", _DEEP),
    "payload": ("{", _DEEP),
    "kind": ("align", "settings", "strange"),
    "label": ("", "a\nb", "\x1b[2J", "x" * 1_000_000, b"\xff\xfe", 5),
    "disposition": ("maybe", 5),
    "state": ("maybe",),
    "n": (0, -1, 2**62, 3, "two"),
    "dim": (0, -1, 2**62),
    "operation": (-5, 2**62, "x"),
    "undoes": (2**62, -1, "x"),
    "time": ("yesterday", "\x1b[2J", "x" * 1_000_000),
    "actor": ("a\nroot approved it", "\x1b[2J"),
    "reason": ("fine\n2026-01-01 forged", b"\x00"),
    "space_id": ("x",),
    "bundle": ("x\ny", 5),
    "content": ("{", "5", _DEEP, '{"vectors": 5}', '{"vectors": {"sha256": "x", "dtype": "object", "shape": [1e999]}}'),
}


def _said(value: object) -> str:
    text = ascii(value)
    return text if len(text) < 40 else f"{text[:20]}… ({len(text)} characters)"


ROWS: dict[str, Attack] = {
    **{f"rows: {name} = {_said(value)}": _event(**{name: value}) for name in _FIELDS for value in _FIELDS[name]},
    "rows: vectors of NaN": _event(vectors=_vectors(lambda a: a * np.nan)),
    "rows: vectors of infinity": _event(vectors=_vectors(lambda a: a + np.inf)),
    "rows: vectors of 1e38": _event(vectors=_vectors(lambda a: a * 0 + np.float32(1e38))),
    "rows: vectors of zero": _event(vectors=_vectors(lambda a: a * 0)),
    "rows: vectors of text": _event(vectors="x" * 100),
    "rows: vectors too short": _event(vectors=b"abcd"),
    "rows: an alignment that is none": _event(kind="align", payload='{"alignment": "AAAA"}', vectors=b"", n=0),
    "rows: a merge that is none": _event(kind="settings", payload='{"merge": 5}', vectors=b"", n=0),
    "rows: targets = 5": _removal(targets="5"),
    "rows: targets = {": _removal(targets="{"),
    "rows: targets of one": _removal(targets='[["x"]]'),
    "rows: targets too deep": _removal(targets=_DEEP),
    "rows: targets of numbers": _removal(targets="[[1, 2]]"),
    "rows: a removal of another kind": _removal(kind="shred"),
    "rows: a thumbnail of 900 MB": _large_thumbnail,
    "rows: a thumbnail of gigapixels": _thumbnail(BOMB, "image/png"),
    "rows: a thumbnail of gigapixels that is called a JPEG": _thumbnail(BOMB, None),
    "rows: a thumbnail called a film": _thumbnail(b"\xff\xd8\xff", "video/mp4"),
}
