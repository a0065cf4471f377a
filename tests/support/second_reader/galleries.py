"""What the rows of docs/formats/gallery.md mean, what is decided by, and the snapshot file."""

from __future__ import annotations

import base64
import json
import unicodedata
import zlib
from pathlib import Path
from typing import Any

import numpy as np

from second_reader.bundles import BundleFile
from second_reader.rows import Key, Row, check, read_tables, seed_rows


class GalleryFile:
    """A gallery as a bundle sees it."""

    def __init__(self, path: Path, bundle: BundleFile) -> None:
        self.tables = read_tables(path)
        check(self.tables)
        (self.meta,) = self.tables["meta"]
        self.bundle, self.own, self.seed = bundle, self.meta["device"], f"seed:{bundle.digest}"
        if self.meta["space_id"] != bundle.space_id:
            raise ValueError("another embedding space")
        rows = [*self.tables["event"], *self.tables["removed"]]
        if not any(row["device"] == self.seed for row in rows):
            rows += seed_rows(bundle)
        self.rows = {(row["device"], row["seq"]): row for row in rows}
        self.hidden = self._hidden()
        removals = {key: row for key, row in self.rows.items() if row["table"] == "removed" and key not in self.hidden}
        self.gone = {target for row in removals.values() if row["kind"] != "remove" for target in targets(row)}
        self.removed: set[tuple[str, int, int]] = set()
        for key, row in removals.items():
            if row["kind"] == "remove" and key not in self.gone:
                self.removed |= {(d, seq, at) for d, seq, places in json.loads(row["targets"]) for at in places}
        self.blobs = {blob["sha256"]: blob["data"] for blob in self.tables.get("blob", [])}

    @property
    def sequence(self) -> int:
        return sum(not device.startswith("seed:") for device, _ in self.rows)

    def _hidden(self) -> set[Key]:
        names = {self.own, *json.loads(self.meta.get("formerly") or "[]")}
        deeds = {key: row for key, row in self.rows.items() if row["device"] in names and row["kind"] == "settings"}
        removals = [row for row in self.rows.values() if row["table"] == "removed" and row["device"] in names]
        undone_deeds = {target for row in removals for target in targets(row)}
        undone, kept = set(), set()
        for key, row in deeds.items():
            (undone if key in undone_deeds else kept).update(self._brought(row))
        hidden = undone - kept
        for device in {device for device, _ in hidden} - names:
            first = min(seq for other, seq in hidden if other == device)
            hidden |= {key for key in self.rows if key[0] == device and key[1] > first} - kept
        return hidden

    def _brought(self, deed: Row) -> set[Key]:
        runs = json.loads(deed["payload"])["rows"]
        return {
            (device, seq)
            for device, seq in self.rows
            if any(device == other and first <= seq <= last for other, first, last in runs)
        }

    def stands(self, key: Key) -> bool:
        event = self.rows[key]
        if key in self.gone or key in self.hidden or (event["kind"] == "enroll" and not self.kept(event)):
            return False
        return event["undoes"] is None or any(
            origin(other) == origin(event) and other["undoes"] is None and name not in self.hidden
            for name, other in self.rows.items()
            if other["table"] == "event"
        )

    def kept(self, event: Row) -> list[int]:
        """The positions of an event's images that nobody removed."""
        return [at for at in range(event["n"]) if (*origin(event), at) not in self.removed]

    def approved(self, event: Row) -> bool:
        """Whether an event may decide."""
        if event["state"] == "approved":
            return True
        approvals = [row for key, row in self.rows.items() if row["kind"] == "approve" and self.stands(key)]
        return any(
            list(origin(event)) in json.loads(row["payload"])["approves"] and row["actor"] not in ("", event["actor"])
            for row in approvals
        )

    def vectors_of(self, event: Row) -> bytes:
        """An event's embeddings, wherever they lie."""
        content = event.get("content")
        return self.blobs[json.loads(content)["vectors"]["sha256"]] if content else event["vectors"]

    def deciding(self) -> list[Row]:
        """The events that decide, in their order."""
        found: dict[Key, Row] = {}
        for key, row in sorted(self.rows.items()):
            if row["kind"] != "enroll" or not self.stands(key) or not self.approved(row):
                continue
            device = origin(row)[0]
            if device == self.seed or not device.startswith("seed:"):
                found.setdefault(origin(row), row)
        return list(found.values())

    def alignments(self) -> list[int]:
        """The numbers of the own device's alignments that stand."""
        return [seq for device, seq in self._aligns(self.own) if self.stands((device, seq))]

    def mapped(self, event: Row) -> np.ndarray:
        """The rows float32 `[n,V·D]` of an event as they are compared."""
        rows = np.frombuffer(self.vectors_of(event), "<f4").reshape(event["n"], event["dim"])[self.kept(event)]
        device, seq = origin(event)
        before = {key for key in self._aligns(device) if key[1] < seq}
        for key, row in self.rows.items():
            if row["table"] == "removed" and key[0] == device and key[1] < seq:
                before -= set(targets(row))
        if not before:
            return rows
        payload = json.loads(self.rows[max(before)]["payload"])
        views = rows.reshape(-1, event["dim"] // self.bundle.views)
        return aligned(base64.b64decode(payload["alignment"]), views).reshape(rows.shape)

    def _aligns(self, device: str) -> list[Key]:
        return sorted(key for key, row in self.rows.items() if row["kind"] == "align" and key[0] == device)

    def arrays(self) -> dict[str, Any]:
        """What is decided by."""
        events = self.deciding()
        spelled: dict[str, set[str]] = {}
        for event in events:
            spelled.setdefault(unicodedata.normalize("NFC", event["label"]), set()).add(event["label"])
        name_of = {one: nfc if len(all_) > 1 else one for nfc, all_ in spelled.items() for one in all_}
        labels = sorted(set(name_of.values()))
        numbers: dict[tuple[str, str], int] = {}
        classes, parts, means, defects = [], [], set(), set()
        for event in events:
            name = name_of[event["label"]]
            if event["disposition"] == "defect":
                defects.add(name)
            named = list(zip(json.loads(event["parts"]), json.loads(event["digests"]), strict=True))
            for part, digest in [named[at] for at in self.kept(event)]:
                number = numbers.setdefault((name, part or digest), len(numbers))
                classes.append(labels.index(name))
                parts.append(number)
                if part == "mean of unlabelled images":
                    means.add(number)
        return {
            "labels": labels,
            "dispositions": ["defect" if label in defects else "ok" for label in labels],
            "vectors": np.concatenate([self.mapped(event) for event in events]),
            "classes": classes,
            "parts": parts,
            "means": sorted(means),
        }


def origin(event: Row) -> Key:
    device, seq = json.loads(event["restores"]) if event.get("restores") else (event["device"], event["seq"])
    return device, seq


def targets(removal: Row) -> list[Key]:
    return [(target[0], target[1]) for target in json.loads(removal["targets"])]


def aligned(data: bytes, rows: np.ndarray) -> np.ndarray:
    """Rows float32 `[n,D]` through the bytes of an alignment."""
    start = 4 + int.from_bytes(data[:4], "little")
    told = json.loads(data[4:start])
    if told["kind"] == "none":
        return rows
    dim, rank = told["dim"], told["rank"]
    scale, shift, left, right = np.split(np.frombuffer(data[start:], "<f4"), np.cumsum([dim, dim, dim * rank]))
    found = rows * scale + (rows @ left.reshape(dim, rank)) @ right.reshape(rank, dim) + shift
    if told["unit"]:
        found = found * (np.linalg.norm(rows, axis=1) / np.maximum(np.linalg.norm(found, axis=1), 1e-12))[:, None]
    return found.astype(np.float32)


def read_snapshot_file(path: Path) -> dict[str, Any]:
    """The header, the arrays and the alignments of a snapshot file."""
    data = path.read_bytes()
    if data[:8] != b"EFSSNAP3" or zlib.crc32(data[:-4]) != int.from_bytes(data[-4:], "little"):
        raise ValueError("not a whole snapshot file")
    at = 16 + int.from_bytes(data[8:16], "little")
    found = json.loads(data[16:at])
    count, width = found["shape"]
    for name, dtype, size in (("vectors", "<f4", count * width), ("classes", "<i8", count), ("parts", "<i8", count)):
        found[name] = np.frombuffer(data, dtype, size, at)
        at += found[name].nbytes
    found["vectors"] = found["vectors"].reshape(count, width)
    maps = []
    for seq, size in found["alignments"]:
        maps.append((seq, data[at : at + size]))
        at += size
    if at != len(data) - 4:
        raise ValueError("bytes behind the alignments")
    return {**found, "alignments": maps}
