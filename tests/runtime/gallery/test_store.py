from __future__ import annotations

import dataclasses
import sqlite3

import numpy as np
import pytest

from edgefs_runtime.base.errors import GalleryError
from edgefs_runtime.gallery import Gallery, Seed, read_snapshot, seed_snapshot

pytestmark = pytest.mark.device


def same(one, other):
    return (
        one.vectors.tobytes() == other.vectors.tobytes()
        and (one.labels, one.dispositions, one.sequence) == (other.labels, other.dispositions, other.sequence)
        and np.array_equal(one.classes, other.classes)
        and np.array_equal(one.parts, other.parts)
    )


def content(snapshot):
    """What decides, whatever the order and the sequence."""
    rows = zip(snapshot.classes, snapshot.vectors, strict=True)
    return sorted((snapshot.labels[index], vector.tobytes()) for index, vector in rows)


@pytest.fixture
def gallery(tmp_path, seed):
    with Gallery.open(tmp_path / "state" / "parts.gallery", seed) as gallery:
        yield gallery


def test_a_new_gallery_holds_the_seed_at_sequence_zero(gallery, seed):
    assert gallery.path.is_file()
    assert gallery.sequence == 0
    assert same(gallery.snapshot(), seed_snapshot(seed))
    assert gallery.snapshot().counts == {"dent": 3, "good": 4}
    assert gallery.log() == []
    assert gallery.check() == []


def test_enrolled_embeddings_come_back_bit_for_bit_after_reopening(gallery, seed, teach):
    taught = teach("刮痕", 5, groups=("p1", "p1", "p2", "", ""), actor="ana", reason="new mould")
    assert gallery.enroll(taught) == 1
    gallery.close()
    with Gallery.open(gallery.path, seed) as again:
        snapshot = again.snapshot()
        rows = snapshot.classes == snapshot.labels.index("刮痕")
        assert np.array_equal(snapshot.vectors[rows], taught.vectors)
        assert len(set(snapshot.parts[rows].tolist())) == 4
        assert snapshot.sequence == again.sequence == 1
        assert again.device == gallery.device
        assert again.check() == []
        (entry,) = again.log()
        assert (entry.kind, entry.label, entry.images, entry.actor, entry.reason) == (
            "enroll",
            "刮痕",
            5,
            "ana",
            "new mould",
        )
        assert entry.time.endswith("+00:00")
        assert entry.bundle == seed.digest


def test_a_snapshot_is_kept_until_the_next_write(gallery, teach):
    before = gallery.snapshot()
    assert gallery.snapshot() is before
    gallery.enroll(teach("scratch"))
    assert gallery.snapshot() is not before
    assert before.labels == ("dent", "good")


def test_forget_removes_only_that_label_seed_rows_too(gallery, teach):
    gallery.enroll(teach("dent", 2, number=1))
    gallery.enroll(teach("scratch", 2))
    assert gallery.forget("dent", actor="ana", reason="not a fault") == 5
    assert gallery.snapshot().counts == {"good": 4, "scratch": 2}
    assert gallery.log()[-1].kind == "forget"
    assert not gallery.log()[-1].adds


def test_forgetting_an_unknown_class_names_the_known_ones(gallery):
    with pytest.raises(GalleryError, match=r"no class 'rust'; it has dent, good$"):
        gallery.forget("rust")
    assert gallery.sequence == 0


def test_a_gallery_whose_every_class_was_forgotten_says_so_and_can_be_taught_again(gallery, seed, teach):
    gallery.forget("dent")
    gallery.forget("good")
    with pytest.raises(GalleryError, match="holds no class"):
        gallery.snapshot()
    with pytest.raises(GalleryError, match="holds no class"):
        read_snapshot(gallery.path, seed)
    gallery.enroll(teach("scratch"))
    assert gallery.snapshot().labels == ("scratch",)


def test_undo_takes_back_an_enrollment(gallery, seed, teach):
    gallery.enroll(teach("scratch", 5, actor="ana"))
    assert "enrollment of 5 images of 'scratch'" in gallery.undo(actor="bo")
    assert content(gallery.snapshot()) == content(seed_snapshot(seed))
    assert gallery.sequence == 2
    assert [entry.kind for entry in gallery.log()] == ["enroll", "undo"]


def test_undo_brings_back_a_forgotten_class_with_its_thumbnails(gallery, teach):
    gallery.enroll(teach("dent", 2, number=1, thumbnails=(b"c", b"d")))
    before = content(gallery.snapshot())
    gallery.forget("dent")
    assert "brought back 5 images of 'dent'" in gallery.undo()
    assert content(gallery.snapshot()) == before
    assert sorted(gallery.thumbnails("dent")) == [b"a", b"b", b"c", b"d"]
    assert gallery.check() == []


def test_a_second_undo_goes_one_act_further_back(gallery, seed, teach):
    gallery.enroll(teach("scratch", 2))
    gallery.enroll(teach("crack", 3))
    gallery.forget("scratch")
    assert "brought back" in gallery.undo()
    assert "'crack'" in gallery.undo()
    assert "'scratch'" in gallery.undo()  # which by now stands under other numbers
    assert content(gallery.snapshot()) == content(seed_snapshot(seed))
    with pytest.raises(GalleryError, match="nothing to undo"):
        gallery.undo()


def test_undo_after_undo_and_a_new_act_takes_back_the_new_act(gallery, teach):
    gallery.enroll(teach("scratch"))
    gallery.enroll(teach("crack"))
    gallery.undo()
    gallery.enroll(teach("rust"))
    assert "'rust'" in gallery.undo()
    assert "'scratch'" in gallery.undo()


def test_undo_survives_reopening(gallery, seed, teach):
    gallery.enroll(teach("scratch"))
    gallery.close()
    with Gallery.open(gallery.path, seed) as again:
        assert "'scratch'" in again.undo()


def test_pending_rows_are_kept_but_do_not_count(gallery, teach):
    gallery.enroll(teach("scratch", state="pending"))
    assert gallery.snapshot().labels == ("dent", "good")
    assert gallery.log()[0].state == "pending"
    assert gallery.forget("scratch") == 3


def test_embeddings_of_another_dimension_are_refused(gallery, teach):
    with pytest.raises(GalleryError, match="16 dimensions, this gallery's have 8"):
        gallery.enroll(teach("scratch", dim=16))
    assert gallery.sequence == 0


def test_text_that_is_no_text_is_refused(gallery, teach):
    with pytest.raises(GalleryError, match="actor is not readable text"):
        gallery.enroll(teach("scratch", actor="\udcff"))
    assert gallery.check() == []


@pytest.mark.parametrize("table", ["event", "removed", "shot"])
@pytest.mark.parametrize("statement", ["UPDATE {} SET device = 'x'", "DELETE FROM {}", "INSERT OR REPLACE"])
def test_no_program_can_change_or_delete_rows(gallery, teach, table, statement):
    gallery.enroll(teach("scratch", thumbnails=(b"x", b"y", b"z")))
    gallery.forget("scratch")
    gallery.close()
    connection = sqlite3.connect(gallery.path)
    if statement == "INSERT OR REPLACE":
        statement = f"INSERT OR REPLACE INTO {table} SELECT * FROM {table} WHERE device NOT LIKE 'seed:%'"
    with pytest.raises(sqlite3.IntegrityError, match=r"append-only|taken"):
        connection.execute(statement.format(table))
    connection.close()


def test_a_new_bundle_brings_its_own_seed_and_keeps_what_was_taught(gallery, seed, teach):
    gallery.enroll(teach("scratch"))
    gallery.forget("dent")
    gallery.close()
    newer = dataclasses.replace(seed, digest="ab" * 32, enrolments=(teach("good", 6, number=2, disposition="ok"),))
    assert read_snapshot(gallery.path, newer).counts == {"good": 6, "scratch": 3}
    with Gallery.open(gallery.path, newer) as updated:
        before = gallery.path.read_bytes()
        assert updated.snapshot().counts == {"good": 6, "scratch": 3}
        assert gallery.path.read_bytes() == before
        updated.enroll(teach("crack"))
        assert updated.snapshot().counts == {"crack": 3, "good": 6, "scratch": 3}
        updated.undo()
        assert "'dent'" in updated.undo()
        assert updated.snapshot().counts == {"good": 6, "scratch": 3}, "the old seed's class stays with the old bundle"
    with Gallery.open(gallery.path, seed) as older:
        assert older.snapshot().counts == {"dent": 3, "good": 4, "scratch": 3}
        assert older.check() == []


def test_a_seed_without_classes_can_be_taught(tmp_path, teach):
    empty = Seed("00" * 32, "11" * 32, 8, "bare", ())
    with Gallery.open(tmp_path / "g", empty) as gallery:
        gallery.enroll(teach("good", disposition="ok"))
        assert gallery.snapshot().counts == {"good": 3}
    assert read_snapshot(tmp_path / "g", empty).counts == {"good": 3}
