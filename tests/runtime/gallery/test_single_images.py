"""One taught image can go, and what is pending waits for somebody else's word."""

from __future__ import annotations

import pytest

from edgefs_runtime.base.errors import GalleryError
from edgefs_runtime.gallery import Gallery, check_gallery, read_snapshot

pytestmark = pytest.mark.device


@pytest.fixture
def gallery(tmp_path, seed, teach):
    with Gallery.open(tmp_path / "g", seed) as gallery:
        gallery.enroll(teach("scratch", thumbnails=(b"x", b"y", b"z")))
        gallery.enroll(teach("crack"))
        yield gallery


def test_one_image_goes_and_an_undo_brings_it_back(gallery, teach):
    whole, taught = gallery.snapshot(), teach("scratch")
    assert gallery.remove("1.2", actor="ana") == ("scratch", 1)
    assert gallery.snapshot().counts["scratch"] == 2
    assert taught.vectors[1].tobytes() not in {row.tobytes() for row in gallery.snapshot().vectors}
    assert gallery.thumbnails("scratch") == [b"x", b"z"]
    assert taught.digests[1] not in gallery.known()
    entry = gallery.log()[-1]
    assert (entry.kind, entry.label, entry.images, entry.adds, entry.actor) == ("remove", "scratch", 1, False, "ana")
    assert gallery.undo().startswith("brought back 1 image of 'scratch'")
    assert gallery.snapshot().vectors.tobytes() == whole.vectors.tobytes()
    assert gallery.thumbnails("scratch") == [b"x", b"y", b"z"]
    assert gallery.check() == []


def test_an_image_goes_by_its_digest_and_an_act_by_its_number(gallery, teach):
    assert gallery.remove(teach("scratch").digests[0][:12]) == ("scratch", 1)
    assert gallery.remove("1") == ("scratch", 2)
    assert "scratch" not in gallery.snapshot().counts
    assert gallery.remove("2") == ("crack", 3)
    for nothing in ("1", "2.1", "9", "ffffffffffff", "scratch", "1.9"):
        with pytest.raises(GalleryError, match="nothing that was taught and counts is meant"):
            gallery.remove(nothing)
    gallery.undo()
    gallery.undo()
    assert gallery.snapshot().counts == {"crack": 3, "dent": 3, "good": 4, "scratch": 2}


def test_what_was_removed_stays_away_when_the_class_comes_back(gallery):
    gallery.remove("1.1")
    assert gallery.forget("scratch") == 2
    gallery.undo()
    assert gallery.snapshot().counts["scratch"] == 2


def test_removals_merge_in_any_order(tmp_path, gallery, seed, teach):
    gallery.close()
    with Gallery.open(tmp_path / "b", seed) as b:
        b.merge(tmp_path / "g")
        b.remove(f"{gallery.device[:8]}:1.3")
    with Gallery.open(tmp_path / "g", seed) as a:
        a.remove("1.1")
        a.merge(tmp_path / "b")
        counts = a.snapshot().counts
    with Gallery.open(tmp_path / "b", seed) as b:
        b.merge(tmp_path / "g")
        assert b.snapshot().counts == counts == {"crack": 3, "dent": 3, "good": 4, "scratch": 1}
    assert check_gallery(tmp_path / "b") == []


def test_pending_images_count_once_somebody_else_approved_them(tmp_path, gallery, seed, teach):
    gallery.enroll(teach("dust", state="pending", actor="ana"))
    assert "dust" not in gallery.snapshot().counts
    for actor, reason, words in (("ana", "ok", "can't approve it"), ("", "ok", "--actor"), ("bo", "", "--reason")):
        with pytest.raises(GalleryError, match=words):
            gallery.approve("3", actor=actor, reason=reason)
    with pytest.raises(GalleryError, match="taught nothing that is pending; pending: 3"):
        gallery.approve("1", actor="bo", reason="ok")
    assert gallery.approve("3", actor="bo", reason="looked at") == ("dust", 3)
    assert gallery.snapshot().counts["dust"] == 3
    taught, approved = gallery.log()[-2:]
    assert (taught.state, taught.approver) == ("pending", "bo")
    assert (approved.kind, approved.images, approved.reason) == ("approve", 0, "looked at")
    assert gallery.undo().startswith("took back the approval of 'dust'")
    assert "dust" not in gallery.snapshot().counts
    gallery.approve("3", actor="bo", reason="again")
    gallery.close()
    with Gallery.open(tmp_path / "b", seed) as other:
        other.merge(tmp_path / "g")
        assert other.snapshot().counts["dust"] == 3


def test_an_older_file_becomes_one_of_schema_3_with_the_first_row_it_cant_hold(tmp_path, seed, teach, write_schema_1):
    path = write_schema_1(tmp_path / "old", seed, teach("scratch", thumbnails=(b"x", b"y", b"z")))
    before = read_snapshot(path, seed)
    with Gallery.open(path, seed) as gallery:
        gallery.enroll(teach("crack"))
        gallery.remove("1.1")
        gallery.enroll(teach("dust"))
        assert gallery.thumbnails("scratch") == [b"y", b"z"]
        assert gallery.check() == []
        for _ in range(3):
            gallery.undo()
        assert gallery.snapshot().vectors.tobytes() == before.vectors.tobytes()
    assert check_gallery(path) == []
