"""What can stand in the way of a gallery: one line each, and nothing written."""

from __future__ import annotations

import dataclasses
import os
import re
import resource
import shutil
import sqlite3
import subprocess
import sys

import pytest

from edgefs_runtime.base.errors import GalleryError
from edgefs_runtime.gallery import Gallery, GalleryBusyError, check_gallery, read_snapshot
from edgefs_runtime.gallery.database import wal_of

pytestmark = pytest.mark.device


def other_sqlite(path):
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE event (a)")
    connection.close()


def truncated(path, size):
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * size)])


BAD_FILES = {
    "text": (lambda path: path.write_text("not a gallery\n" * 100), "is not an edgefs gallery"),
    "short text": (lambda path: path.write_text("x"), "is not an edgefs gallery"),
    "empty": (lambda path: path.write_bytes(b""), r"is empty \(0 bytes\)"),
    "another SQLite file": (other_sqlite, "is not an edgefs gallery"),
    "cut in half": (lambda path: truncated(path, 0.5), "is damaged"),
}


@pytest.mark.parametrize("fault", BAD_FILES)
def test_a_file_that_is_no_whole_gallery_is_refused_in_one_line(tmp_path, seed, teach, fault):
    path = tmp_path / "g"
    with Gallery.open(path, seed) as gallery:
        gallery.enroll(teach("scratch", 40))
    for beside in tmp_path.glob("g?*"):
        beside.unlink()
    spoil, words = BAD_FILES[fault]
    if fault == "another SQLite file":
        path.unlink()
    spoil(path)
    before = path.read_bytes()
    for opening in (Gallery.open, read_snapshot):
        with pytest.raises(GalleryError, match=words) as caught:
            opening(path, seed)
        assert "\n" not in str(caught.value)
    assert path.read_bytes() == before
    assert [entry.name for entry in tmp_path.iterdir()] == ["g"]


def test_a_file_whose_last_page_is_gone_decides_says_so_and_is_not_written_to(tmp_path, seed, teach):
    path = tmp_path / "g"
    with Gallery.open(path, seed) as gallery:
        gallery.enroll(teach("scratch", 40))
    truncated(path, 0.95)
    before = path.read_bytes()
    with pytest.raises(GalleryError, match="is damaged"):
        Gallery.open(path, seed)
    found = read_snapshot(path, seed)
    assert found.labels[:2] == ("dent", "good")
    assert "some of the file's pages can't be read" in " ".join(found.warnings)
    assert path.read_bytes() == before


def test_another_embedding_space_is_refused_with_both_ids_and_the_cure(tmp_path, seed):
    path = tmp_path / "g"
    Gallery.open(path, seed).close()
    before = path.read_bytes()
    for other in (dataclasses.replace(seed, space_id="beef" * 16), dataclasses.replace(seed, dim=9)):
        for opening in (Gallery.open, read_snapshot):
            with pytest.raises(
                GalleryError, match=r"0ace0ace0ace .*--gallery with another path and enroll again"
            ) as error:
                opening(path, other)
            assert other.space_id[:12] in str(error.value)
    assert path.read_bytes() == before


def test_a_second_owner_is_refused_at_once(tmp_path, seed):
    code = (
        "import sys, time, pathlib; from edgefs_runtime.gallery import *\n"
        f"seed = Seed({seed.digest!r}, {seed.space_id!r}, 8, 'parts', ())\n"
        "begin = time.perf_counter()\n"
        "try: Gallery.open(pathlib.Path(sys.argv[1]), seed)\n"
        "except GalleryBusyError as error: print(time.perf_counter() - begin, error)\n"
    )
    with Gallery.open(tmp_path / "g", seed) as gallery:
        with pytest.raises(GalleryBusyError, match=f"is owned by this process, {os.getpid()}"):
            Gallery.open(tmp_path / "g", seed)
        # Reading in the owner's own process must not lose it the lock (POSIX drops locks on any close of the file).
        read_snapshot(tmp_path / "g", seed)
        run = subprocess.run(
            [sys.executable, "-c", code, str(gallery.path)], capture_output=True, text=True, check=True
        )
    assert re.search(rf"is owned by process {os.getpid()} \(`\S.*`\); stop it", run.stdout)
    assert float(run.stdout.split()[0]) < 0.2


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only Linux lists who holds a lock")
def test_a_program_that_leaves_no_note_is_named_by_its_lock(tmp_path, seed):
    path = tmp_path / "g"
    Gallery.open(path, seed).close()
    code = (
        "import sqlite3, sys; c = sqlite3.connect(sys.argv[1], isolation_level=None)\n"
        "c.execute('PRAGMA locking_mode = EXCLUSIVE'); c.execute('BEGIN EXCLUSIVE')\n"
        "print('locked', flush=True); input()"
    )
    other = subprocess.Popen(
        [sys.executable, "-c", code, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert other.stdout.readline() == "locked\n"
    try:
        with pytest.raises(GalleryBusyError, match=r"is owned by (process \d+|another process)") as caught:
            Gallery.open(path, seed)
    finally:
        other.communicate("\n", timeout=30)
    # Some file systems show another inode number in the kernel's list: then nobody is named, and never a wrong one.
    assert str(caught.value).split("owned by ")[1].startswith((f"process {other.pid};", "another process"))
    Gallery.open(path, seed).close()


def test_a_damaged_embedding_is_named_with_the_way_to_learn_more(tmp_path, seed, teach):
    path = tmp_path / "g"
    taught = teach("scratch")
    with Gallery.open(path, seed) as gallery:
        gallery.enroll(taught)
        device = gallery.device
    data = path.read_bytes()
    assert data.count(taught.vectors.tobytes()) == 1
    path.write_bytes(data.replace(taught.vectors.tobytes(), (-taught.vectors).tobytes()))
    snapshot = read_snapshot(path, seed)
    assert snapshot.counts == {"dent": 3, "good": 4}
    assert (
        f"the embeddings of event 1 of device {device} are damaged, it does not count: 3 images" in snapshot.warnings[0]
    )
    assert snapshot.warnings[-1].endswith("`edgefs gallery repair` mends it")
    with Gallery.open(path, seed) as gallery:
        assert gallery.health == snapshot.warnings
        gallery.enroll(teach("crack"))
        assert gallery.snapshot().counts["crack"] == 3
    assert any(f"event 1 of device {device} are damaged" in line for line in check_gallery(path))


def test_a_folder_that_cannot_be_made_is_one_line(tmp_path, seed):
    (tmp_path / "file").write_text("x")
    with pytest.raises(GalleryError, match="pass --gallery with a usable path"):
        Gallery.open(tmp_path / "file" / "g", seed)
    with pytest.raises(GalleryError):
        Gallery.open(tmp_path, seed)


def test_a_lone_write_ahead_log_is_not_replayed_into_a_new_gallery(tmp_path, seed):
    wal_of(tmp_path / "g").write_bytes(b"what a deleted gallery left")
    with pytest.raises(GalleryError, match="belongs to a gallery that is gone"):
        Gallery.open(tmp_path / "g", seed)
    assert not (tmp_path / "g").exists()


@pytest.fixture(params=["at rest", "with a log that a killed owner left"])
def read_only_card(request, tmp_path, seed, teach):
    folder = tmp_path / "card"
    gallery = Gallery.open(tmp_path / "g", seed)
    gallery.enroll(teach("scratch"))
    if request.param == "at rest":
        gallery.close()
    folder.mkdir()
    for name in ("g", "g-wal"):  # copied while nobody writes, as the card of a device that lost its power
        if (tmp_path / name).exists():
            (folder / name).write_bytes((tmp_path / name).read_bytes())
            (folder / name).chmod(0o444)
    gallery.close()
    folder.chmod(0o555)
    if os.access(folder, os.W_OK):
        folder.chmod(0o755)
        pytest.skip("this user may write everywhere (root)")
    yield folder
    folder.chmod(0o755)


def test_a_read_only_card_can_be_read_and_merged_but_not_taught(tmp_path, read_only_card, seed):
    assert read_snapshot(read_only_card / "g", seed).counts["scratch"] == 3
    assert check_gallery(read_only_card / "g") == []
    for name in ("g", "new"):
        with pytest.raises(GalleryError, match="can't be written"):
            Gallery.open(read_only_card / name, seed)
    with Gallery.open(tmp_path / "mine", seed) as mine:
        assert mine.merge(read_only_card / "g").rows == 1


def test_a_full_disk_leaves_the_earlier_state(tmp_path, seed, teach):
    """A limit on the size of files stands in for the full disk: writes fail in the same places."""
    with Gallery.open(tmp_path / "g", seed) as gallery:
        gallery.enroll(teach("scratch"))
        earlier = gallery.snapshot()
        limits = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (60_000, limits[1]))
        try:
            with pytest.raises(GalleryError, match="could not be written"):
                gallery.enroll(teach("crack", 40, thumbnails=(b"x" * 3000,) * 40))
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        assert gallery.snapshot() is earlier
        assert gallery.enroll(teach("rust")) == 2
    assert check_gallery(tmp_path / "g") == []
    assert sorted(read_snapshot(tmp_path / "g", seed).labels) == ["dent", "good", "rust", "scratch"]


def test_what_a_full_disk_kept_from_coming_home_out_of_the_log_still_counts(tmp_path, seed, teach):
    """The file alone is no database then: some of its pages are new, and it ends before others."""
    gallery = Gallery.open(tmp_path / "g", seed)
    gallery.enroll(teach("scratch", 40, thumbnails=(b"x" * 3000,) * 40))
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, ((tmp_path / "g").stat().st_size + 30_000, limits[1]))
    try:
        gallery.close()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    shutil.copytree(tmp_path, tmp_path / "copy")
    assert wal_of(tmp_path / "g").exists()
    with pytest.raises(sqlite3.DatabaseError), sqlite3.connect(f"file:{tmp_path}/g?immutable=1", uri=True) as alone:
        alone.execute("SELECT count(*) FROM event")
    assert read_snapshot(tmp_path / "g", seed).counts["scratch"] == 40
    with Gallery.open(tmp_path / "copy" / "g", seed) as gallery:
        assert gallery.undo().startswith("took back the enrollment of 40 images of 'scratch'")
    assert check_gallery(tmp_path / "g") == check_gallery(tmp_path / "copy" / "g") == []


def test_a_snapshot_file_that_cannot_be_written_is_removed_rather_than_outdated(tmp_path, seed, teach, caplog):
    with Gallery.open(tmp_path / "g", seed) as gallery:
        gallery.enroll(teach("scratch", 1900))
    with Gallery.open(tmp_path / "g", seed) as gallery:
        gallery.enroll(teach("crack"))
        assert (tmp_path / "g.snapshot").stat().st_size > 80_000
        limits = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (60_000, limits[1]))
        try:
            assert gallery.enroll(teach("rust")) == 3
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        assert sorted(entry.name for entry in tmp_path.iterdir()) == ["g", "g-wal", "g.mark", "g.owner"]
        assert "other processes can't read the gallery until it is closed" in caplog.text
    assert "rust" in read_snapshot(tmp_path / "g", seed).labels
