"""Golden bytes: a change here is a change of the file format, and needs a new schema version."""

from __future__ import annotations

import hashlib
import sqlite3
import zlib

import numpy as np
import pytest

from edgefs_runtime.base.errors import GalleryError
from edgefs_runtime.decision.snapshot import Enrolment
from edgefs_runtime.gallery import Gallery, Seed, read_snapshot
from edgefs_runtime.gallery.records import Removed, canonical, seal
from edgefs_runtime.gallery.schema import MIGRATIONS

pytestmark = pytest.mark.device

ROW = Removed("d1", 2, 2, "forget", "Naht ü", 3, '[["d1",1]]', "ab", "2026-01-01T00:00:00.000+00:00", "", "why")
HEADER = (
    b'{"actor":"","bundle":"ab","device":"d1","kind":"forget","label":"Naht \\u00fc","n":3,"operation":2,'
    b'"reason":"why","seq":2,"table":"removed","targets":"[[\\"d1\\",1]]","time":"2026-01-01T00:00:00.000+00:00"}'
)


def test_canonical_bytes_and_seals_are_what_the_format_says():
    content = len(HEADER).to_bytes(8, "little") + HEADER
    assert canonical(ROW) == content
    sealed = seal(ROW, "ff" * 32)
    assert sealed.hash == hashlib.sha256(b"\xff" * 32 + content).hexdigest()
    assert sealed.crc == zlib.crc32(content + sealed.hash.encode())


def test_a_blob_follows_the_header_and_an_empty_column_is_left_out(seed):
    event = seed.events()[0]
    content = canonical(event)
    size = int.from_bytes(content[:8], "little")
    header, blob = content[8 : 8 + size], content[8 + size :]
    assert b'"vectors":null' in header
    assert b"restores" not in header
    assert blob == (4 * 4 * 8).to_bytes(8, "little") + seed.enrolments[0].vectors.astype("<f4").tobytes()


def test_seed_rows_are_the_same_bytes_on_every_device():
    vectors = np.arange(4, dtype=np.float32).reshape(2, 2)
    enrolment = Enrolment("good", "ok", vectors, digests=("d0", "d1"), thumbnails=(b"", b"jpeg"))
    first, second = Seed("5eed", "0ace", 2, "parts", (enrolment, enrolment)).events()
    assert (first.hash[:16], first.crc) == ("33d870a92abe9b80", 664017650)
    assert second.hash[:16] == "2886ce23b29dd1c0"


def test_the_file_names_its_kind_and_schema(tmp_path, seed):
    Gallery.open(tmp_path / "g", seed).close()
    assert (tmp_path / "g").read_bytes()[68:72] == b"EDGF"
    connection = sqlite3.connect(tmp_path / "g")
    assert connection.execute("PRAGMA user_version").fetchone() == (3,)
    connection.close()


def with_version(path, version):
    connection = sqlite3.connect(path)
    connection.execute(f"PRAGMA user_version = {version}")
    connection.close()
    return path.read_bytes()


@pytest.mark.parametrize(("version", "words"), [(4, "update edgefs"), (0, "no way from there")])
def test_another_schema_is_refused_and_nothing_written(tmp_path, seed, version, words):
    path = tmp_path / "g"
    Gallery.open(path, seed).close()
    before = with_version(path, version)
    for opening in (Gallery.open, read_snapshot):
        with pytest.raises(GalleryError, match=words):
            opening(path, seed)
    assert path.read_bytes() == before
    assert [entry.name for entry in tmp_path.iterdir()] == ["g"]


def test_an_older_schema_migrates_after_a_backup(tmp_path, seed, teach, monkeypatch, write_schema_1):
    path = write_schema_1(tmp_path / "g", seed, teach("scratch"))
    with_version(path, 0)
    monkeypatch.setitem(MIGRATIONS, 0, ("CREATE TABLE novelty (a)",))
    with Gallery.open(path, seed) as gallery:
        assert gallery.snapshot().counts["scratch"] == 3
    for file, version, tables in ((path, 1, 1), (tmp_path / "g.schema0.bak", 0, 0)):
        connection = sqlite3.connect(file)
        assert connection.execute("PRAGMA user_version").fetchone() == (version,)
        count = connection.execute("SELECT count(*) FROM sqlite_master WHERE name = 'novelty'").fetchone()
        assert count == (tables,)
        connection.close()
