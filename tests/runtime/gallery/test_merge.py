from __future__ import annotations

import dataclasses
import itertools
import shutil
import tempfile
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from edgefs_runtime.base.errors import GalleryError
from edgefs_runtime.gallery import Gallery, check_gallery, read_snapshot

pytestmark = pytest.mark.device


def fingerprint(snapshot):
    arrays = (snapshot.vectors, snapshot.classes, snapshot.parts)
    return [array.tobytes() for array in arrays], snapshot.labels, snapshot.dispositions, snapshot.sequence


def test_merging_brings_what_the_other_taught_and_forgot_and_doubles_no_seed(tmp_path, seed, teach):
    with Gallery.open(tmp_path / "a", seed) as a:
        a.enroll(teach("scratch", thumbnails=(b"x", b"y", b"z")))
        a.forget("dent")
        assert a.check() == []
    with Gallery.open(tmp_path / "b", seed) as b:
        b.enroll(teach("crack"))
        before = (tmp_path / "a").read_bytes()
        assert b.merge(tmp_path / "a").rows == 2
        assert (tmp_path / "a").read_bytes() == before
        assert b.snapshot().counts == {"crack": 3, "good": 4, "scratch": 3}
        assert b.sequence == 4  # two rows of the other's, and two acts
        assert b.thumbnails("scratch") == [b"x", b"y", b"z"]
        assert b.merge(tmp_path / "a").rows == 0
        assert b.check() == []
        assert [entry.label for entry in b.log()] == ["scratch", "dent", "crack", "dent, scratch"]


@pytest.fixture
def two(tmp_path, seed, teach):
    """`a` taught scratch and forgot dent; `b` taught crack, merged `a` as Jo, and is open."""
    with Gallery.open(tmp_path / "a", seed) as a:
        a.enroll(teach("scratch", thumbnails=(b"x", b"y", b"z")))
        a.forget("dent")
    with Gallery.open(tmp_path / "b", seed) as b:
        b.enroll(teach("crack"))
        merged = b.merge(tmp_path / "a", actor="Jo", reason="shift B")
        assert (merged.added, merged.removed) == ({"scratch": 3}, {"dent": 3})
        assert str(merged) == "3 images of 1 class added (scratch), 3 images of 1 class taken away (dent)"
        yield b


def test_a_merge_is_one_act_of_the_log(two):
    entry = two.log()[-1]
    assert (entry.kind, entry.actor, entry.reason) == ("merge", "Jo", "shift B")
    assert (entry.images, entry.classes, entry.label) == (6, 2, "dent, scratch")
    assert two.check() == []


def test_one_undo_takes_back_all_of_a_merge_and_nothing_else(two):
    assert two.undo().startswith("took back the merge of a: 3 images of 1 class added (scratch), 3 images of 1 class ")
    assert two.snapshot().counts == {"crack": 3, "dent": 3, "good": 4}
    assert "'crack'" in two.undo()
    with pytest.raises(GalleryError, match="nothing to undo"):
        two.undo()
    assert two.snapshot().counts == {"dent": 3, "good": 4}
    assert two.check() == []


def test_an_undone_merge_can_be_merged_again_and_undone_again(two, tmp_path, seed):
    for _ in range(2):
        two.undo()
        assert two.snapshot().counts == {"crack": 3, "dent": 3, "good": 4}
        assert two.merge(tmp_path / "a").added == {"scratch": 3}
        assert two.snapshot().counts == {"crack": 3, "good": 4, "scratch": 3}
        assert two.thumbnails("scratch") == [b"x", b"y", b"z"]
    two.close()
    assert read_snapshot(tmp_path / "b", seed).counts == {"crack": 3, "good": 4, "scratch": 3}


def test_what_one_device_took_back_of_a_merge_stays_on_the_other(two, tmp_path, seed):
    two.undo()
    two.close()
    with Gallery.open(tmp_path / "a", seed) as a:
        a.merge(tmp_path / "b")
        assert a.snapshot().counts == {"crack": 3, "good": 4, "scratch": 3}  # its own acts stand
    with Gallery.open(tmp_path / "c", seed) as c:
        c.merge(tmp_path / "b")
        assert c.snapshot().counts == {"crack": 3, "dent": 3, "good": 4}  # what b shows, and no more
        assert c.check() == []


def test_galleries_that_merge_each_other_come_to_rest(two, tmp_path, seed):
    two.close()
    for _ in range(2):
        for mine, other in ("ab", "ba"):
            with Gallery.open(tmp_path / mine, seed) as gallery:
                gallery.merge(tmp_path / other)
    with Gallery.open(tmp_path / "a", seed) as a, Gallery.open(tmp_path / "c", seed) as c:
        acts = a.log()
        assert a.merge(tmp_path / "b").rows == 0
        assert a.log() == acts
        assert [entry.kind for entry in acts].count("merge") == 2
        assert c.sequence == 0


def test_a_class_of_another_device_that_was_brought_back_goes_with_the_merge(two):
    two.forget("scratch")
    two.undo()
    assert "scratch" in two.snapshot().labels
    two.undo()
    assert two.snapshot().counts == {"crack": 3, "dent": 3, "good": 4}


def test_an_undone_merge_of_rows_that_a_restored_copy_had_lost_spoils_no_third_gallery(tmp_path, seed, teach):
    a, b, backup = tmp_path / "a", tmp_path / "b", tmp_path / "backup"
    with Gallery.open(a, seed) as gallery:
        gallery.enroll(teach("scratch"))
    shutil.copy(a, backup)
    with Gallery.open(a, seed) as gallery:
        gallery.enroll(teach("crack"))
    with Gallery.open(b, seed) as gallery:
        gallery.merge(a)
    shutil.copy(backup, a)
    with Gallery.open(a, seed) as gallery:
        assert gallery.merge(b).added == {"crack": 3}
        gallery.undo()
        assert gallery.snapshot().counts == {"dent": 3, "good": 4, "scratch": 3}
    with Gallery.open(tmp_path / "c", seed) as third:
        third.merge(a)
    assert check_gallery(tmp_path / "c") == []
    assert read_snapshot(tmp_path / "c", seed).counts["scratch"] == 3


def test_what_only_tells_of_a_merge_goes_with_the_rows_before_it(tmp_path, seed, teach):
    a, b, c = (tmp_path / name for name in "abc")
    for path, label in ((a, "scratch"), (b, "crack")):
        with Gallery.open(path, seed) as gallery:
            gallery.enroll(teach(label))
    for mine, other in ((a, b), (c, a), (b, a), (c, b)):
        with Gallery.open(mine, seed) as gallery:
            gallery.merge(other)
    with Gallery.open(c, seed) as gallery:
        gallery.undo()
        assert gallery.snapshot().counts == {"dent": 3, "good": 4}
    with Gallery.open(tmp_path / "third", seed) as third:
        third.merge(c)
        assert third.snapshot().counts == {"dent": 3, "good": 4}
        assert third.check() == []
    with Gallery.open(c, seed) as gallery:
        assert gallery.merge(b).added == {"crack": 3, "scratch": 3}
        gallery.undo()
        assert gallery.snapshot().counts == {"dent": 3, "good": 4}


def test_an_edgefs_that_knows_no_such_acts_is_told_to_update(two, tmp_path, seed, teach, write_schema_1):
    two.close()
    assert schema_of(tmp_path / "b") == 3
    old = write_schema_1(tmp_path / "old", seed)
    with Gallery.open(old, seed) as gallery:
        gallery.enroll(teach("dust"))
    assert schema_of(old) == 1  # an older edgefs opens it as ever
    write_schema_1(tmp_path / "older", seed, teach("fleck"))
    with Gallery.open(old, seed) as gallery:
        gallery.merge(tmp_path / "older")
    assert schema_of(old) == 2
    with Gallery.open(old, seed) as gallery:
        gallery.merge(tmp_path / "b")
        assert gallery.snapshot().counts["fleck"] == 3
        assert gallery.undo().startswith("took back the merge of b")
        assert gallery.undo().startswith("took back the merge of older")
        assert gallery.undo().startswith("took back the enrollment of 3 images of 'dust'")
    assert schema_of(old) == 3
    assert check_gallery(old) == []


def schema_of(path):
    """SQLite's user_version, where it stands in a file at rest."""
    return int.from_bytes(path.read_bytes()[60:64], "big")


def test_an_undo_of_several_classes_says_how_many(tmp_path, seed, teach):
    with Gallery.open(tmp_path / "a", seed) as a:
        a.enroll_together([teach("crack"), teach("scratch")])
        a.undo()
        taught, undone = a.log()
    assert (taught.kind, taught.images, taught.classes, taught.label) == ("enroll", 6, 2, "crack, scratch")
    assert (undone.kind, undone.images, undone.classes) == ("undo", 6, 2)


def test_two_devices_that_each_bring_a_class_back_do_not_double_it(tmp_path, seed, teach):
    for name in "ab":
        with Gallery.open(tmp_path / name, seed) as gallery:
            gallery.forget("dent")
            gallery.undo()
    with Gallery.open(tmp_path / "a", seed) as a:
        a.merge(tmp_path / "b")
        assert a.snapshot().counts == {"dent": 3, "good": 4}
        assert a.forget("dent") == 3
        assert a.snapshot().counts == {"good": 4}


def test_another_embedding_space_is_not_merged(tmp_path, seed):
    Gallery.open(tmp_path / "a", dataclasses.replace(seed, space_id="beef" * 16)).close()
    with (
        Gallery.open(tmp_path / "b", seed) as b,
        pytest.raises(GalleryError, match=r"of space beefbeefbeef.*gallery carry`"),
    ):
        b.merge(tmp_path / "a")
    assert check_gallery(tmp_path / "b") == []


def test_itself_merges_to_nothing_and_an_absent_file_is_an_error(tmp_path, seed, teach):
    with Gallery.open(tmp_path / "a", seed) as a:
        a.enroll(teach("scratch"))
        assert a.merge(tmp_path / "." / "a").rows == 0
        with pytest.raises(GalleryError, match="there is no gallery file at"):
            a.merge(tmp_path / "nothing")


def test_a_copy_merges_back_while_only_one_went_on_and_is_refused_when_both_did(tmp_path, seed, teach):
    with Gallery.open(tmp_path / "a", seed) as a:
        a.enroll(teach("scratch"))
    shutil.copy(tmp_path / "a", tmp_path / "copy")
    with Gallery.open(tmp_path / "a", seed) as a:
        a.enroll(teach("crack"))
    with Gallery.open(tmp_path / "copy", seed) as copy:
        assert copy.merge(tmp_path / "a").rows == 1
    with Gallery.open(tmp_path / "copy", seed) as copy:
        copy.enroll(teach("rust"))
    with Gallery.open(tmp_path / "a", seed) as a:
        a.enroll(teach("stain"))
        with pytest.raises(GalleryError, match="went on from a copy of one file"):
            a.merge(tmp_path / "copy")
        assert a.sequence == 3


def test_a_damaged_gallery_is_not_merged(tmp_path, seed, teach):
    taught = teach("scratch")
    with Gallery.open(tmp_path / "a", seed) as a:
        a.enroll(taught)
    data = (tmp_path / "a").read_bytes()
    (tmp_path / "a").write_bytes(data.replace(taught.vectors.tobytes(), (-taught.vectors).tobytes()))
    with (
        Gallery.open(tmp_path / "b", seed) as b,
        pytest.raises(GalleryError, match=r"not merged: the embeddings of event 1 .* damaged"),
    ):
        b.merge(tmp_path / "a")


ACTS = st.lists(st.sampled_from(["scratch", "crack", "forget dent", "forget scratch", "undo"]), max_size=5)


def act(gallery, teach, acts, device):
    for number, name in enumerate(acts):
        try:
            if name == "undo":
                gallery.undo()
            elif name.startswith("forget "):
                gallery.forget(name.removeprefix("forget "))
            else:
                gallery.enroll(teach(name, 2, number=100 * device + number))
        except GalleryError:
            pass  # nothing to undo or to forget


@settings(max_examples=8, deadline=None)
@given(before=st.tuples(ACTS, ACTS, ACTS), after=ACTS)
def test_merging_is_commutative_associative_and_idempotent(seed, teach, before, after):
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for device, acts in enumerate(before):
            with Gallery.open(folder / str(device), seed) as gallery:
                act(gallery, teach, acts, device)
                if device == 1:  # one of them has seen another's rows, and acted on them
                    gallery.merge(folder / "0")
                    act(gallery, teach, after, 7)
        results = []
        for number, order in enumerate(itertools.permutations("012")):
            path = folder / f"merged{number}"
            shutil.copy(folder / order[0], path)
            with Gallery.open(path, seed) as gallery:
                if number % 2:  # a + (b + c)
                    shutil.copy(folder / order[1], folder / f"pair{number}")
                    with Gallery.open(folder / f"pair{number}", seed) as pair:
                        pair.merge(folder / order[2])
                    gallery.merge(folder / f"pair{number}")
                else:  # (a + b) + c
                    gallery.merge(folder / order[1])
                    gallery.merge(folder / order[2])
                assert gallery.merge(folder / order[1]).rows == 0
                assert gallery.check() == []
                results.append(fingerprint(gallery.snapshot())[:3])  # all but how many acts it took
            assert fingerprint(read_snapshot(path, seed))[:3] == results[-1]
        assert all(result == results[0] for result in results)


@settings(max_examples=12, deadline=None)
@given(
    acts=st.lists(
        st.sampled_from(["scratch", "carry", "merge", "forget scratch", "forget crack", "forget dent", "undo", "undo"]),
        min_size=3,
        max_size=9,
    )
)
@example(acts=["carry", "forget scratch", "undo", "undo"])
@example(acts=["merge", "forget crack", "undo", "undo"])
@example(acts=["merge", "forget crack", "undo", "undo", "merge", "undo"])
def test_undoing_goes_back_through_what_counted_act_by_act(seed, teach, acts):
    with tempfile.TemporaryDirectory() as name, Gallery.open(Path(name) / "mine", seed) as mine:
        before: list[dict[str, int]] = []
        for number, what in enumerate(acts):
            counts, rows = mine.snapshot().counts, mine.sequence
            if what == "carry":
                taught = [(teach(label, 2, number=number), (label, number)) for label in ("scratch", "dent")]
                mine.carry(taught, None, "old.gallery")
            elif what == "merge":
                with Gallery.open(Path(name) / "other", seed) as other:
                    other.carry([(teach("crack", 2, number=100 + number), ("older", number))], None, "older.gallery")
                mine.merge(Path(name) / "other")
            else:
                act(mine, teach, [what], number)
            if what != "undo" and mine.sequence > rows:
                before.append(counts)
            elif what == "undo" and before:
                assert mine.snapshot().counts == before.pop()
        mine.close()
        with Gallery.open(Path(name) / "third", seed) as third:  # gets what is shown, and not what was brought in vain
            third.merge(Path(name) / "mine")
            assert third.snapshot().counts == read_snapshot(Path(name) / "mine", seed).counts
        undone_to_the_end(Path(name) / "mine", seed, before)


def undone_to_the_end(path, seed, before):
    with Gallery.open(path, seed) as mine:
        for counts in reversed(before):
            mine.undo()
            assert mine.snapshot().counts == counts
        with pytest.raises(GalleryError, match="nothing to undo"):
            mine.undo()
        assert mine.check() == []


def test_a_guard_is_shown_what_counts_and_what_will_and_can_stop_it(tmp_path, seed, teach):
    shown = []

    def note(now, after):
        shown.append((fingerprint(now), fingerprint(after)))

    def refuse(now, after):
        raise GalleryError("not this")

    with Gallery.open(tmp_path / "a", seed) as a:
        a.enroll(teach("scratch"))
        for label in ("dent", "good"):
            a.forget(label)
    with Gallery.open(tmp_path / "b", seed) as b:
        for act in (lambda guard: b.enroll(teach("scratch"), guard), lambda guard: b.merge(tmp_path / "a", guard)):
            before = fingerprint(b.snapshot())
            with pytest.raises(GalleryError, match="not this"):
                act(refuse)
            assert fingerprint(b.snapshot()) == before
            assert b.check() == []
            act(note)
            assert shown.pop() == (before, fingerprint(b.snapshot()))
        b.merge(tmp_path / "a", refuse)  # nothing is new, so nothing is asked
