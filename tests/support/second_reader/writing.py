"""A gallery file made by docs/formats/gallery.md and gallery.sql: a device that was taught one class."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from second_reader.bundles import BundleFile
from second_reader.rows import NULL_HASH, Row, columns_of, sealed, seed_rows

STATEMENTS = Path(__file__).parents[3] / "docs" / "formats" / "gallery.sql"


def write_gallery(
    path: Path, bundle: BundleFile, device: str, label: str, vectors: np.ndarray, digests: Sequence[str]
) -> None:
    """A gallery of the seed and one act.

    Args:
        path: of the new file.
        bundle: whose gallery it is.
        device: 32 hex digits.
        label: the class, defects.
        vectors: float32 `[n,V·D]`.
        digests: of the n images.
    """
    seed = seed_rows(bundle)
    count, dim = vectors.shape
    taught = {
        **{"table": "event", "device": device, "seq": 1, "operation": 1, "kind": "enroll", "label": label},
        **{"disposition": "defect", "state": "approved", "n": count, "dim": dim},
        "vectors": vectors.astype("<f4").tobytes(),
        **{"digests": _list(digests), "parts": _list([""] * count), "shots": _list([""] * count)},
        **{"roi": None, "payload": None, "space_id": bundle.space_id, "bundle": bundle.digest},
        **{"time": "2026-01-01T00:00:00.000+00:00", "actor": "second", "approver": "", "reason": "proof"},
        **{"restores": None, "undoes": None},
    }
    meta = {"table": "meta", "device": device, "bundle_name": bundle.manifest["name"], "space_id": bundle.space_id}
    meta |= {"dim": dim, "created": "2026-01-01T00:00:00.000+00:00"}
    events = [*seed, sealed(taught, NULL_HASH)]
    tips = [{"table": "tip", **{key: row[key] for key in ("device", "seq", "hash")}} for row in (seed[-1], events[-1])]
    shots = [
        {"table": "shot", "device": row["device"], "seq": row["seq"], "position": position, "roi": row["roi"]}
        | {"digest": one.digests[position], "part": one.groups[position], "jpeg": jpeg}
        for row, one in zip(seed, bundle.seed(), strict=True)
        for position, jpeg in enumerate(one.jpegs)
        if jpeg
    ]
    _write(path, [sealed(meta), *events, *shots, *tips])


def _write(path: Path, rows: Sequence[Row]) -> None:
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("PRAGMA application_id = 0x45444746")
    connection.execute("PRAGMA user_version = 1")
    connection.executescript(STATEMENTS.read_text(encoding="utf-8"))
    for row in rows:
        columns = columns_of(row["table"], 1)
        places = ", ".join("?" * len(columns))
        values = [row[column] for column in columns]
        connection.execute(f"INSERT INTO {row['table']} ({', '.join(columns)}) VALUES ({places})", values)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.close()


def _list(values: Sequence[str]) -> str:
    return json.dumps(list(values), separators=(",", ":"))
