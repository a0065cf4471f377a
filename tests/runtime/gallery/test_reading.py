"""Readers in other processes, while an owner lives, after it has gone, and after it was killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading

import numpy as np
import pytest

from edgefs_runtime.base.errors import GalleryError
from edgefs_runtime.gallery import Gallery, GalleryBusyError, check_gallery, read_snapshot, seed_snapshot
from edgefs_runtime.gallery.database import connect_looking, has_pending_writes
from edgefs_runtime.gallery.loading import load_ledger

pytestmark = pytest.mark.device

READ_WITHOUT = """
import sys
from pathlib import Path
from edgefs_runtime.gallery import Seed, read_snapshot
print(read_snapshot(Path(sys.argv[1]), Seed(sys.argv[2], sys.argv[3], 8, "parts", ())).counts)
"""


def read_elsewhere(path, seed):
    command = [sys.executable, "-c", READ_WITHOUT, str(path), seed.digest, seed.space_id]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    return run.stdout.strip() or run.stderr.strip().splitlines()[-1]


def test_without_a_file_the_seed_alone_counts(tmp_path, seed):
    assert read_snapshot(tmp_path / "g", seed).counts == seed_snapshot(seed).counts
    assert not list(tmp_path.iterdir())


def test_another_process_sees_what_the_living_owner_taught(tmp_path, seed, teach):
    path = tmp_path / "g"
    with Gallery.open(path, seed) as gallery:
        assert read_elsewhere(path, seed) == "{'dent': 3, 'good': 4}"
        gallery.enroll(teach("scratch"))
        assert has_pending_writes(path)
        assert read_elsewhere(path, seed) == "{'dent': 3, 'good': 4, 'scratch': 3}"
        mine, theirs = gallery.snapshot(), read_snapshot(path, seed)
        assert mine.vectors.tobytes() == theirs.vectors.tobytes()
        assert mine.sequence == theirs.sequence
        assert np.array_equal(mine.parts, theirs.parts)
        assert np.array_equal(mine.classes, theirs.classes)
        gallery.undo()
        assert read_elsewhere(path, seed) == "{'dent': 3, 'good': 4}"


def test_reading_a_gallery_at_rest_writes_nothing_and_ignores_the_snapshot_file(tmp_path, seed, teach):
    path = tmp_path / "g"
    with Gallery.open(path, seed) as gallery:
        gallery.enroll(teach("scratch"))
    (tmp_path / "g.snapshot").write_bytes(b"outdated")
    before = {entry.name: (entry.read_bytes(), entry.stat().st_mtime_ns) for entry in tmp_path.iterdir()}
    assert read_snapshot(path, seed).counts["scratch"] == 3
    assert {entry.name: (entry.read_bytes(), entry.stat().st_mtime_ns) for entry in tmp_path.iterdir()} == before


def test_a_damaged_snapshot_file_is_never_taken(tmp_path, seed, teach):
    path = tmp_path / "g"
    with Gallery.open(path, seed) as gallery:
        gallery.enroll(teach("scratch"))
        data = (tmp_path / "g.snapshot").read_bytes()
        for damaged in (b"", data[:-1], data[:40] + bytes([data[40] ^ 1]) + data[41:]):
            (tmp_path / "g.snapshot").write_bytes(damaged)
            with pytest.raises(GalleryBusyError):
                read_snapshot(path, seed)


def test_an_owner_that_was_killed_leaves_all_it_acknowledged(tmp_path, seed, teach):
    path = tmp_path / "g"
    child = os.fork()
    if child == 0:  # pragma: no cover
        gallery = Gallery.open(path, seed)
        gallery.enroll(teach("scratch"))
        (tmp_path / "g.snapshot").unlink()
        os.kill(os.getpid(), signal.SIGKILL)
    os.waitpid(child, 0)
    assert has_pending_writes(path)
    assert read_snapshot(path, seed).counts["scratch"] == 3
    assert check_gallery(path) == []


def test_readers_and_an_owner_that_comes_and_goes_never_see_a_wrong_state(tmp_path, seed, teach):
    path = tmp_path / "g"
    Gallery.open(path, seed).close()
    done = threading.Event()
    seen: list[object] = []

    def read():
        last = 0
        while not done.is_set():
            try:
                snapshot = read_snapshot(path, seed)
            except GalleryBusyError:
                continue
            except GalleryError as error:
                seen.append(error)
                return
            if snapshot.sequence < last or len(snapshot.vectors) != 7 + 3 * snapshot.sequence:
                seen.append((last, snapshot.sequence, len(snapshot.vectors)))
            last = snapshot.sequence

    readers = [threading.Thread(target=read) for _ in range(2)]
    for reader in readers:
        reader.start()
    for number in range(30):
        try:
            with Gallery.open(path, seed) as gallery:
                gallery.enroll(teach("scratch", number=number))
        except GalleryBusyError:
            pass  # a reader was bringing a log home
    done.set()
    for reader in readers:
        reader.join()
    assert seen == []


def test_who_looks_beside_an_owner_misses_nothing_that_it_writes_meanwhile(tmp_path, seed, teach):
    """The mark of that moment belongs to the copy: a later one would speak of acts that the copy can't hold."""
    path = tmp_path / "g"
    with Gallery.open(path, seed) as owner:
        owner.enroll(teach("crack"))
        with connect_looking(path) as connection:
            owner.enroll(teach("dent", number=1))
            ledger = load_ledger(connection, path)
        assert ledger.problems == []
        assert ledger.sequence == 1
        assert check_gallery(path) == owner.check() == []
