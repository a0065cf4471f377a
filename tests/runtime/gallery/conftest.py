"""A seed of two classes, and a way to make enrolments, for every gallery test."""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from edgefs_runtime.decision.snapshot import Enrolment
from edgefs_runtime.gallery import Seed
from edgefs_runtime.gallery.records import NO_HASH, Meta, seal
from edgefs_runtime.gallery.schema import APPLICATION_ID, insert, insert_rows, schema_objects
from edgefs_runtime.gallery.seed import event_of, shots_of

DIM = 8

Teach = Callable[..., Enrolment]


def make_enrolment(label: str, k: int = 3, *, number: int = 0, dim: int = DIM, **fields: object) -> Enrolment:
    """`k` embeddings that differ by label and number, and are the same every time."""
    digests = tuple(hashlib.sha256(f"{label} {number} {image}".encode()).hexdigest() for image in range(k))
    random = np.random.default_rng(int(digests[0][:8], 16))
    fields.setdefault("disposition", "defect")
    return Enrolment(
        label=label, vectors=random.standard_normal((k, dim)).astype(np.float32), digests=digests, **fields
    )


@pytest.fixture(scope="session")
def teach() -> Teach:
    return make_enrolment


@pytest.fixture(scope="session")
def seed() -> Seed:
    return Seed(
        digest="5eed" * 16,
        space_id="0ace" * 16,
        dim=DIM,
        bundle_name="parts",
        enrolments=(
            make_enrolment("good", 4, disposition="ok"),
            make_enrolment("dent", 3, thumbnails=(b"a", b"b", b"")),
        ),
    )


@pytest.fixture(scope="session")
def write_schema_1() -> Callable[..., Path]:
    """`write_schema_1(path, seed, *taught)`: a gallery as an edgefs from before schema 3 wrote it."""

    def write(path: Path, seed: Seed, *taught: Enrolment) -> Path:
        connection = sqlite3.connect(path, isolation_level=None)
        connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        connection.execute("PRAGMA user_version = 1")
        for statement in schema_objects(1).values():
            connection.execute(statement)
        device = hashlib.sha256(str(path).encode()).hexdigest()[:32]
        insert(connection, seal(Meta(device, seed.bundle_name, seed.space_id, seed.dim, "2026-01-01")), 1)
        rows, shots, last = [*seed.events()], [*seed.shots()], NO_HASH
        for number, enrolment in enumerate(taught, start=1):
            event = event_of(enrolment, seed, device=device, seq=number, time="2026-01-01T00:00:00.000+00:00")
            rows.append(seal(event, last))
            shots += shots_of(enrolment, device, number)
            last = rows[-1].hash
        insert_rows(connection, rows, shots, {})
        connection.execute("PRAGMA journal_mode = WAL")
        connection.close()
        return path

    return write
