"""The snapshot file that an owner keeps beside its gallery, for readers in other processes.

Rules, with their reasons: eight magic bytes with the format's version, so that another file is told at once; the
length of the header (8 bytes, little-endian) and a JSON header, so that it can be looked at; `vectors` float32 [N,V·D],
`classes` int64 [N], `parts` int64 [N], raw and little-endian, so that reading copies nothing; the alignments of the
device's camera, whose numbers and lengths stand in the header; a CRC-32 over everything before it. A file that fails
any of this is passed over: the database holds the truth, this is a copy of what counts, looked at only while an owner
lives. So it need not survive a power cut, and is not synced to disk.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from edgefs_runtime.base.durable import replace_file
from edgefs_runtime.base.errors import GalleryError
from edgefs_runtime.decision.alignment import Alignment
from edgefs_runtime.decision.snapshot import Snapshot
from edgefs_runtime.gallery.seed import Seed

MAGIC = b"EFSSNAP3"  # 1 knew no alignments, 2 no means

# What reading a file raises whose checksum is right and whose content no edgefs wrote.
STRANGE = (ValueError, TypeError, KeyError, IndexError, AttributeError, OverflowError, RecursionError, GalleryError)


def snapshot_path(gallery: Path) -> Path:
    """Where a gallery's snapshot file lies."""
    return gallery.with_name(gallery.name + ".snapshot")


def write_snapshot(gallery: Path, snapshot: Snapshot, seed: Seed) -> None:
    """Replace the gallery's snapshot file.

    Raises:
        OSError: the folder can't be written or the disk is full; the old file stands.
    """
    alignments = [(number, alignment.to_bytes()) for number, alignment in snapshot.alignments]
    header: dict[str, Any] = {
        "space_id": seed.space_id,
        "bundle": seed.digest,
        "sequence": snapshot.sequence,
        "labels": snapshot.labels,
        "dispositions": snapshot.dispositions,
        "means": snapshot.means,
        "warnings": snapshot.warnings,
        "shape": (len(snapshot.vectors), seed.dim),
        "alignments": [(number, len(data)) for number, data in alignments],
    }
    arrays = ((snapshot.vectors, "<f4"), (snapshot.classes, "<i8"), (snapshot.parts, "<i8"))
    blocks = [np.ascontiguousarray(array, dtype).tobytes() for array, dtype in arrays]
    write_blocks(gallery, MAGIC, json.dumps(header).encode("ascii"), [*blocks, *(data for _, data in alignments)])


def write_blocks(gallery: Path, magic: bytes, header: bytes, blocks: Sequence[bytes]) -> None:
    """Replace a gallery's snapshot file by a header and blocks, as both kinds of it are framed.

    Raises:
        OSError: the folder can't be written or the disk is full; the old file stands.
    """
    framed = [magic, len(header).to_bytes(8, "little"), header, *blocks]
    crc = 0
    for block in framed:
        crc = zlib.crc32(block, crc)
    replace_file(snapshot_path(gallery), [*framed, crc.to_bytes(4, "little")], synced=False)


def load_snapshot(gallery: Path, seed: Seed) -> Snapshot | None:
    """The gallery's snapshot file as this bundle sees it; None when it is absent, damaged or of another bundle."""
    try:
        return _read(snapshot_data(gallery), seed)
    except STRANGE:
        return None


def read_header(data: bytes, magic: bytes, seed: Seed) -> tuple[dict[str, Any], int] | None:
    """The header of a snapshot file and where it ends; None of another kind, damaged, or of another bundle.

    Raises:
        STRANGE: the checksum is right, and no edgefs wrote it.
    """
    if len(data) < 20 or data[:8] != magic or zlib.crc32(memoryview(data)[:-4]) != int.from_bytes(data[-4:], "little"):
        return None
    start = 16 + int.from_bytes(data[8:16], "little")
    header = json.loads(data[16:start])
    return (header, start) if (header["space_id"], header["bundle"]) == (seed.space_id, seed.digest) else None


def checked(snapshot: Snapshot, seed: Seed) -> Snapshot:
    """A snapshot that was read from a file, where its parts fit each other and the bundle.

    Raises:
        ValueError: they don't.
    """
    n, classes = len(snapshot.classes), len(snapshot.labels)
    is_whole = (
        tuple(snapshot.held.shape) == (n, seed.dim)
        and snapshot.views == seed.views
        and all(numbers.shape == (n,) and numbers.dtype == np.int64 for numbers in (snapshot.classes, snapshot.parts))
        and (n == 0 or 0 <= snapshot.classes.min() <= snapshot.classes.max() < classes)
        and all(isinstance(word, str) for word in (*snapshot.labels, *snapshot.warnings))
        and len(snapshot.dispositions) == classes
        and set(snapshot.dispositions) <= {"ok", "defect"}
        and all(type(number) is int for number in (snapshot.sequence, *snapshot.means))
    )
    if not is_whole:
        raise ValueError("of another gallery, or none")
    return snapshot


def _read(data: bytes, seed: Seed) -> Snapshot | None:
    found = read_header(data, MAGIC, seed)
    if found is None:
        return None
    header, start = found
    n, dim = header["shape"]
    vectors = np.frombuffer(data, "<f4", n * dim, start)
    classes, parts = np.frombuffer(data, "<i8", 2 * n, start + vectors.nbytes).reshape(2, n)
    end = start + vectors.nbytes + classes.nbytes + parts.nbytes
    snapshot = Snapshot(
        held=vectors.reshape(n, dim).astype(np.float32, copy=False),
        labels=tuple(header["labels"]),
        dispositions=tuple(header["dispositions"]),
        classes=classes.astype(np.int64, copy=False),
        parts=parts.astype(np.int64, copy=False),
        sequence=header["sequence"],
        views=seed.views,
        alignments=tuple(read_alignments(data, header["alignments"], end)),
        means=tuple(header["means"]),
        warnings=tuple(header.get("warnings", ())),
    )
    return checked(snapshot, seed)


def snapshot_data(gallery: Path) -> bytes:
    """The bytes of a gallery's snapshot file; none where there is none."""
    try:
        return snapshot_path(gallery).read_bytes()
    except OSError:
        return b""


def read_alignments(data: bytes, lengths: list[list[int]], start: int) -> Iterator[tuple[int, Alignment]]:
    """Alignments with their numbers, of such lengths in a file's bytes."""
    for number, length in lengths:
        yield number, Alignment.from_bytes(data[start : start + length])
        start += length
