"""What was acknowledged and can't be read back is noticed and named."""

from __future__ import annotations

import os
import shutil
import signal

import pytest

from edgefs_runtime.gallery import Gallery, check_gallery, read_snapshot
from edgefs_runtime.gallery.database import wal_of
from edgefs_runtime.gallery.mark import RESERVE, mark_path, read_mark

pytestmark = pytest.mark.device


@pytest.fixture(scope="module")
def killed(tmp_path_factory, seed, teach):
    """A folder that an owner was killed in after ten acts, of which none came home out of the log."""
    folder = tmp_path_factory.mktemp("killed")
    child = os.fork()
    if child == 0:  # pragma: no cover
        gallery = Gallery.open(folder / "g", seed)
        for number in range(10):
            gallery.enroll(teach("scratch", number=number))
        os.kill(os.getpid(), signal.SIGKILL)
    os.waitpid(child, 0)
    assert wal_of(folder / "g").stat().st_size > 0
    return folder


def copied(killed, folder):
    shutil.copytree(killed, folder)
    return folder / "g"


@pytest.mark.parametrize("tenth", range(10))
def test_a_flipped_bit_in_a_killed_owners_log_is_noticed_and_what_is_lost_named(killed, tmp_path, seed, teach, tenth):
    path = copied(killed, tmp_path / "flipped")
    log = bytearray(wal_of(path).read_bytes())
    log[32 + (len(log) - 64) * tenth // 10] ^= 4
    wal_of(path).write_bytes(log)
    snapshot = read_snapshot(path, seed)
    taught = snapshot.counts.get("scratch", 0) // 3
    assert taught < 10
    assert "lost" in snapshot.warnings[0]
    assert "acknowledged at the latest 20" in snapshot.warnings[0]
    assert f"row{'s' if taught < 9 else ''} {taught + 1}{' to 10' if taught < 9 else ''} of" in snapshot.warnings[0]
    with Gallery.open(path, seed) as gallery:
        gallery.enroll(teach("crack"))  # the numbers go on behind what is lost
        assert gallery.log()[-1].seq == 11
        assert gallery.snapshot().counts == {**snapshot.counts, "crack": 3}
    assert any("lost" in line for line in check_gallery(path))


def test_a_whole_log_is_brought_home_without_a_word(killed, tmp_path, seed):
    path = copied(killed, tmp_path / "whole")
    snapshot = read_snapshot(path, seed)
    assert snapshot.counts["scratch"] == 30
    assert snapshot.warnings == ()
    assert check_gallery(path) == []


def test_a_copy_without_a_mark_and_one_with_half_a_mark_are_as_good(killed, tmp_path, seed):
    path = copied(killed, tmp_path / "copy")
    mark = mark_path(path).read_bytes()
    newest = read_mark(path)
    for spoiled in (b"", mark[:600], b"\xff" * 512 + mark[512:], mark[:512] + b"\xff" * 512 + mark[1024:]):
        mark_path(path).write_bytes(spoiled)
        found = read_mark(path)
        assert found is None or found.seq in (newest.seq, newest.seq - 1)
        assert read_snapshot(path, seed).warnings == ()
    mark_path(path).unlink()
    assert read_snapshot(path, seed).counts["scratch"] == 30


def test_the_mark_keeps_space_for_a_full_disk(tmp_path, seed, teach):
    with Gallery.open(tmp_path / "g", seed) as gallery:
        gallery.enroll(teach("scratch"))
        assert mark_path(gallery.path).stat().st_size == 1024 + RESERVE
        assert gallery.health == ()
