"""Damage stops nothing but what it hit; one command mends it, and copies are made and put back."""

from __future__ import annotations

import sqlite3

import numpy as np
import pytest

from edgefs_runtime.base.errors import GalleryError
from edgefs_runtime.gallery import Gallery, GalleryDamagedError, check_gallery, read_snapshot
from edgefs_runtime.gallery.repairing import back_up, repair, restore

pytestmark = pytest.mark.device


@pytest.fixture
def taught(tmp_path, seed, teach):
    """A gallery of three acts, and where its file lies."""
    path = tmp_path / "g"
    with Gallery.open(path, seed) as gallery:
        gallery.enroll(teach("scratch", thumbnails=(b"x", b"y", b"z"), groups=("p1", "p2", "p3")))
        gallery.enroll(teach("crack", number=1))
        gallery.enroll(teach("scratch", number=2))
    return path


def spoiled(path, before, after=None):
    """Overwrite bytes of the file, which stand there once."""
    data = path.read_bytes()
    assert data.count(before) == 1
    path.write_bytes(data.replace(before, after or bytes(byte ^ 1 for byte in before)))


def embeddings_of(teach, label, **fields):
    return teach(label, **fields).vectors.tobytes()


def test_damaged_embeddings_are_taught_again_from_the_pictures(taught, seed, teach):
    spoiled(taught, embeddings_of(teach, "scratch"))
    (problem, *_) = check_gallery(taught)
    assert "3 images of 'scratch', taught 20" in problem
    assert "parts p1, p2, p3" in problem
    seen = {b"x": 1.0, b"y": 2.0, b"z": 3.0}
    mended = repair(taught, seed, [], lambda jpeg: np.full(8, seen[jpeg], np.float32), actor="ana")
    assert mended.taught == {"scratch": 3}
    assert (mended.brought, mended.lost) == (0, 1)
    assert check_gallery(taught) == []
    snapshot = read_snapshot(taught, seed)
    assert snapshot.warnings == ()
    assert snapshot.counts["scratch"] == 6
    assert [1, 2, 3] in [sorted(set(snapshot.vectors[:, 0].tolist()) & {1.0, 2.0, 3.0})]
    with Gallery.open(taught, seed) as gallery:
        assert gallery.log()[-1].kind == "repair"
        assert gallery.log()[-1].actor == "ana"
        assert gallery.undo().startswith("took back the enrollment of 3 images of 'scratch'")  # not the repair
    assert any("damaged" in line for line in check_gallery(mended.kept))


def test_a_damaged_row_comes_back_from_a_gallery_that_it_was_merged_into(taught, tmp_path, seed, teach):
    with Gallery.open(tmp_path / "other", seed) as other:
        other.merge(taught)
    whole = read_snapshot(taught, seed)
    spoiled(taught, embeddings_of(teach, "crack", number=1))
    assert "crack" not in read_snapshot(taught, seed).counts
    mended = repair(taught, seed, [tmp_path / "other"], None)
    assert (mended.brought, mended.lost, mended.taught) == (1, 0, {})
    assert read_snapshot(taught, seed).vectors.tobytes() == whole.vectors.tobytes()
    assert check_gallery(taught) == []


def test_what_nothing_brings_back_is_named_once_and_missed_no_more(taught, tmp_path, seed, teach):
    spoiled(taught, embeddings_of(teach, "crack", number=1))
    mended = repair(taught, seed, [], None)
    assert mended.lost == 1
    assert "'crack'" in mended.problems[0]
    assert check_gallery(taught) == []
    assert read_snapshot(taught, seed).warnings == ()
    with Gallery.open(tmp_path / "other", seed) as other:  # and it merges on
        other.merge(taught)
        assert other.snapshot().counts["scratch"] == 6
    assert repair(taught, seed, [], None).kept is None


def test_a_torn_page_leaves_the_other_rows(taught, seed):
    size = 4096
    data = taught.read_bytes()
    connection = sqlite3.connect(taught)
    (root,) = connection.execute(
        "SELECT rootpage FROM sqlite_master WHERE name = 'sqlite_autoindex_event_1'"
    ).fetchone()
    (table,) = connection.execute("SELECT rootpage FROM sqlite_master WHERE name = 'event'").fetchone()
    connection.close()
    for page in (root, table):
        taught.write_bytes(data[: (page - 1) * size] + b"\xff" * size + data[page * size :])
        snapshot = read_snapshot(taught, seed)
        assert snapshot.counts.get("good", 4) == 4
        if snapshot.warnings:
            with pytest.raises(GalleryDamagedError, match="edgefs gallery repair"):
                Gallery.open(taught, seed)
        repair(taught, seed, [], None)
        assert check_gallery(taught) == []
        with Gallery.open(taught, seed) as gallery:
            assert gallery.sequence >= 1


def test_a_restored_backup_numbers_its_acts_under_another_name_and_merges(taught, tmp_path, seed, teach):
    back_up(taught, tmp_path / "backup")
    with pytest.raises(GalleryError, match="there is a file already"):
        back_up(taught, tmp_path / "backup")
    with Gallery.open(taught, seed) as gallery:
        before = gallery.device
        gallery.enroll(teach("dust"))
    kept = restore(taught, tmp_path / "backup", seed, actor="ana", reason="disk")
    with Gallery.open(taught, seed) as gallery:
        assert gallery.device != before
        assert "dust" not in gallery.snapshot().counts
        assert (gallery.log()[-1].kind, gallery.log()[-1].reason) == ("restore", "disk")
        gallery.enroll(teach("rust"))
        assert gallery.merge(kept).added == {"dust": 3}
        assert gallery.snapshot().counts == {"crack": 3, "dent": 3, "dust": 3, "good": 4, "rust": 3, "scratch": 6}
    assert check_gallery(taught) == []


def test_a_backup_is_made_beside_a_living_owner(taught, tmp_path, seed, teach):
    with Gallery.open(taught, seed) as gallery:
        gallery.enroll(teach("dust"))
        back_up(taught, tmp_path / "backup")
    assert read_snapshot(tmp_path / "backup", seed).counts["dust"] == 3
    assert check_gallery(tmp_path / "backup") == []


def test_an_undone_merge_stays_undone_in_a_restored_gallery(taught, tmp_path, seed, teach):
    with Gallery.open(tmp_path / "other", seed) as other:
        other.enroll(teach("dust"))
    with Gallery.open(taught, seed) as gallery:
        gallery.merge(tmp_path / "other")
        gallery.undo()
    back_up(taught, tmp_path / "backup")
    restore(taught, tmp_path / "backup", seed)
    assert "dust" not in read_snapshot(taught, seed).counts


def test_a_damaged_picture_is_named_and_after_the_repair_missed_no_more(taught, seed):
    connection = sqlite3.connect(taught)
    connection.execute("DROP TRIGGER shot_no_UPDATE")
    connection.execute("UPDATE shot SET jpeg = x'00' WHERE jpeg = x'79'")
    connection.commit()
    connection.close()
    assert any("thumbnail 1 is damaged" in line for line in check_gallery(taught))
    mended = repair(taught, seed, [], None)
    assert mended.lost == 0
    assert check_gallery(taught) == []
    with Gallery.open(taught, seed) as gallery:
        assert gallery.thumbnails("scratch") == [b"x", b"z"]


@pytest.mark.parametrize("is_repaired", [True, False], ids=["repair", "merge"])
def test_what_a_repair_gave_up_comes_back_from_a_backup_that_is_found_later(taught, tmp_path, seed, teach, is_repaired):
    whole = read_snapshot(taught, seed)
    back_up(taught, tmp_path / "copy")
    spoiled(taught, embeddings_of(teach, "crack", number=1))
    repair(taught, seed, [], None)
    assert "crack" not in read_snapshot(taught, seed).counts
    if is_repaired:
        assert repair(taught, seed, [tmp_path / "copy"], None).brought == 1
        assert repair(taught, seed, [tmp_path / "copy"], None).kept is None
    else:
        with Gallery.open(taught, seed) as gallery:
            assert gallery.merge(tmp_path / "copy").added == {"crack": 3}
            assert gallery.snapshot().counts == whole.counts
            assert not gallery.merge(tmp_path / "copy").added
    assert read_snapshot(taught, seed).vectors.tobytes() == whole.vectors.tobytes()
    assert check_gallery(taught) == []
    with Gallery.open(taught, seed) as gallery:
        if not is_repaired:
            gallery.undo()
            assert "crack" not in gallery.snapshot().counts
        gallery.enroll(teach("burr", number=5))
    assert check_gallery(taught) == []
