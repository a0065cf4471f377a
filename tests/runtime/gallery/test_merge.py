from __future__ import annotations

import dataclasses
import itertools
import shutil
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgefs_runtime.errors import GalleryError
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
        assert b.merge(tmp_path / "a") == 2
        assert (tmp_path / "a").read_bytes() == before
        assert b.snapshot().counts == {"crack": 3, "good": 4, "scratch": 3}
        assert b.sequence == 3
        assert b.thumbnails("scratch") == [b"x", b"y", b"z"]
        assert b.merge(tmp_path / "a") == 0
        assert b.check() == []
        assert [entry.label for entry in b.log()] == ["scratch", "dent", "crack"]


def test_undo_after_a_merge_takes_back_the_own_act_and_not_the_merge(tmp_path, seed, teach):
    with Gallery.open(tmp_path / "a", seed) as a:
        a.enroll(teach("scratch"))
    with Gallery.open(tmp_path / "b", seed) as b:
        b.enroll(teach("crack"))
        b.merge(tmp_path / "a")
        assert "'crack'" in b.undo()
        with pytest.raises(GalleryError, match="nothing to undo"):
            b.undo()
        assert "scratch" in b.snapshot().labels


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
    with Gallery.open(tmp_path / "b", seed) as b, pytest.raises(GalleryError, match="of space beefbeefbeef"):
        b.merge(tmp_path / "a")
    assert check_gallery(tmp_path / "b") == []


def test_itself_merges_to_nothing_and_an_absent_file_is_an_error(tmp_path, seed, teach):
    with Gallery.open(tmp_path / "a", seed) as a:
        a.enroll(teach("scratch"))
        assert a.merge(tmp_path / "." / "a") == 0
        with pytest.raises(GalleryError, match="there is no gallery file at"):
            a.merge(tmp_path / "nothing")


def test_a_copy_merges_back_while_only_one_went_on_and_is_refused_when_both_did(tmp_path, seed, teach):
    with Gallery.open(tmp_path / "a", seed) as a:
        a.enroll(teach("scratch"))
    shutil.copy(tmp_path / "a", tmp_path / "copy")
    with Gallery.open(tmp_path / "a", seed) as a:
        a.enroll(teach("crack"))
    with Gallery.open(tmp_path / "copy", seed) as copy:
        assert copy.merge(tmp_path / "a") == 1
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
    with Gallery.open(tmp_path / "b", seed) as b, pytest.raises(GalleryError, match="is damaged"):
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
                assert gallery.merge(folder / order[1]) == 0
                assert gallery.check() == []
                results.append(fingerprint(gallery.snapshot()))
            assert fingerprint(read_snapshot(path, seed)) == results[-1]
        assert all(result == results[0] for result in results)


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
