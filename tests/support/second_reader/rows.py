"""Tables and checksums of docs/formats/gallery.md, and the rows of a bundle's seed."""

from __future__ import annotations

import hashlib
import json
import sqlite3
import zlib
from pathlib import Path
from typing import Any

from second_reader.archives import canonical, sha256
from second_reader.bundles import BundleFile

Row = dict[str, Any]  # by column, and `table`
Key = tuple[str, int]
NULL_HASH = "0" * 64
COLUMNS = {
    "meta": "device bundle_name space_id dim created formerly keep_days hash crc",
    "event": "device seq operation kind label disposition state n dim vectors digests parts shots roi payload space_id "
    "bundle time actor approver reason restores undoes content hash crc",
    "removed": "device seq operation kind label n targets bundle time actor reason undoes hash crc",
    "shot": "device seq position digest part roi jpeg media",
    "tip": "device seq hash",
    "blob": "sha256 data",
}
SINCE_3 = {"formerly", "keep_days", "content", "media", "blob"}  # columns, and a table


def columns_of(table: str, schema: int) -> list[str]:
    """The columns of a table, in their order."""
    return [column for column in COLUMNS[table].split() if schema == 3 or column not in SINCE_3]


def read_tables(path: Path) -> dict[str, list[Row]]:
    """Every row of every table of a gallery at rest."""
    if path.read_bytes()[68:72] != b"EDGF":
        raise ValueError("not a gallery")
    connection = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro&immutable=1", uri=True)
    try:
        schema = connection.execute("PRAGMA user_version").fetchone()[0]
        if schema not in (1, 2, 3):
            raise ValueError("another schema")
        tables: dict[str, list[Row]] = {}
        for table in COLUMNS:
            if table in SINCE_3 and schema < 3:
                continue
            columns = columns_of(table, schema)
            found = connection.execute(f"SELECT * FROM {table}")
            if [column[0] for column in found.description] != columns:
                raise ValueError(f"other columns in {table}")
            tables[table] = [{"table": table, **dict(zip(columns, row, strict=True))} for row in found]
        return tables
    finally:
        connection.close()


def content_of(row: Row) -> bytes:
    """The canonical bytes."""
    told = {key: value for key, value in row.items() if key not in ("hash", "crc") and value is not None}
    blobs = [told[key] for key in sorted(told) if isinstance(told[key], bytes)]
    header = canonical({key: None if isinstance(value, bytes) else value for key, value in told.items()})
    return b"".join(len(block).to_bytes(8, "little") + block for block in (header, *blobs))


def sealed(row: Row, before: str = NULL_HASH) -> Row:
    """The row with its checksums."""
    content = content_of(row)
    digest = hashlib.sha256(bytes.fromhex(before) + content).hexdigest()
    return {**row, "hash": digest, "crc": zlib.crc32(content + digest.encode("ascii"))}


def check(tables: dict[str, list[Row]]) -> None:
    """Checksums, numbers, tips, chains, thumbnails and blobs; of a compacted file some of the latter two are gone."""
    (meta,) = tables["meta"]
    if sealed(meta) != meta:
        raise ValueError("meta")
    rows = {(row["device"], row["seq"]): row for row in (*tables["event"], *tables["removed"])}
    if len(rows) != len(tables["event"]) + len(tables["removed"]):
        raise ValueError("a key stands twice")
    tips = {}
    for (device, seq), row in sorted(rows.items()):
        last, before = tips.get(device, (0, NULL_HASH))
        if seq != last + 1 or sealed(row, before) != row:
            raise ValueError(f"row {seq} of {device}")
        tips[device] = seq, row["hash"]
    if tips != {tip["device"]: (tip["seq"], tip["hash"]) for tip in tables["tip"]}:
        raise ValueError("tips")
    shots = {(shot["device"], shot["seq"], shot["position"]): sha256(shot["jpeg"]) for shot in tables["shot"]}
    told = {
        (event["device"], event["seq"], position): digest
        for event in tables["event"]
        for position, digest in enumerate(json.loads(event["shots"]))
        if digest
    }
    let_go = bool(tables.get("blob", []))  # a file of schema 3 with something of its own
    if any(told.get(key) != digest for key, digest in shots.items()) or (shots.keys() != told.keys() and not let_go):
        raise ValueError("thumbnails")
    if any(sha256(blob["data"]) != blob["sha256"] for blob in tables.get("blob", [])):
        raise ValueError("blobs")


def seed_rows(bundle: BundleFile) -> list[Row]:
    """The rows of a bundle's seed."""
    rows: list[Row] = []
    for number, one in enumerate(bundle.seed(), start=1):
        count, dim = one.vectors.shape
        shots = [sha256(jpeg) if jpeg else "" for jpeg in one.jpegs]
        lists = {"digests": one.digests, "parts": one.groups, "shots": shots}
        row = {
            "table": "event",
            "device": f"seed:{bundle.digest}",
            **{"seq": number, "operation": number, "kind": "enroll", "label": one.label},
            **{"disposition": one.disposition, "state": "approved", "n": count, "dim": dim},
            "vectors": one.vectors.astype("<f4").tobytes(),
            **{key: json.dumps(value, separators=(",", ":")) for key, value in lists.items()},
            **{"roi": None, "payload": None, "space_id": bundle.space_id, "bundle": bundle.digest},
            **dict.fromkeys(("time", "actor", "approver", "reason"), ""),
            **{"restores": None, "undoes": None},
        }
        rows.append(sealed(row, rows[-1]["hash"] if rows else NULL_HASH))
    return rows
