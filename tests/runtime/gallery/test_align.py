"""Alignments in the log of a gallery: what they map there, and that merging in any order gives the same rows."""

from __future__ import annotations

import dataclasses
import itertools
import shutil

import numpy as np
import pytest

from edgefs_runtime.base.errors import GalleryError
from edgefs_runtime.decision.alignment import Alignment
from edgefs_runtime.gallery import Gallery, check_gallery, read_snapshot
from edgefs_runtime.gallery.aligned import Aligned

pytestmark = pytest.mark.device


def shifted(by: float, dim: int = 8) -> Aligned:
    alignment = dataclasses.replace(Alignment.identity(dim), kind="mean", shift=np.full(dim, by, np.float32))
    return Aligned(alignment, ("d1", "d2"), {"shift": by}, "Jo", "new lamp")


def rows_of(snapshot, label):
    return snapshot.vectors[snapshot.classes == snapshot.labels.index(label)]


def test_rows_taught_since_are_mapped_and_kept_raw(tmp_path, seed, teach):
    with Gallery.open(tmp_path / "g", seed) as gallery:
        before = gallery.snapshot().vectors
        assert gallery.align(shifted(2.0)) == 1
        gallery.enroll(teach("scratch"))
        assert np.array_equal(rows_of(gallery.snapshot(), "scratch"), teach("scratch").vectors + 2)
        assert {row.tobytes() for row in before} < {row.tobytes() for row in gallery.snapshot().vectors}
        assert np.array_equal(gallery.snapshot().seen(teach("scratch").vectors), teach("scratch").vectors + 2)
        assert gallery.check() == []
    assert teach("scratch").vectors.astype("<f4").tobytes() in (tmp_path / "g").read_bytes()
    assert np.array_equal(rows_of(read_snapshot(tmp_path / "g", seed), "scratch"), teach("scratch").vectors + 2)


def test_cameras_are_told_by_the_numbers_of_their_alignments(tmp_path, seed, teach):
    rows = teach("scratch").vectors
    with Gallery.open(tmp_path / "g", seed) as gallery:
        gallery.align(shifted(2.0))
        gallery.enroll(teach("scratch"))
        gallery.align(shifted(5.0))
        snapshot = gallery.snapshot()
        seen = [float((snapshot.seen(rows, camera) - rows).mean()) for camera in (0, 1, 2, 3, 4, None)]
        assert np.allclose(seen, [0, 2, 5, 5, 5, 5], atol=1e-5)
        gallery.undo()
        assert np.allclose(gallery.snapshot().seen(rows, 2) - rows, 2, atol=1e-5)  # until there is another
        assert gallery.snapshot().camera == 1


def test_an_undone_alignment_maps_nothing_taught_after_it(tmp_path, seed, teach):
    with Gallery.open(tmp_path / "g", seed) as gallery:
        gallery.align(shifted(2.0))
        gallery.undo()
        gallery.enroll(teach("scratch"))
        assert np.array_equal(rows_of(gallery.snapshot(), "scratch"), teach("scratch").vectors)


def test_a_guard_sees_it_before_anything_is_written(tmp_path, seed):
    def refuse(now, after):
        assert (now.camera, after.camera) == (0, 1)
        raise GalleryError("no")

    with Gallery.open(tmp_path / "g", seed) as gallery:
        with pytest.raises(GalleryError, match="no"):
            gallery.align(shifted(2.0), refuse)
        assert (gallery.sequence, gallery.log()) == (0, [])


def test_merging_in_any_order_maps_every_row_as_its_own_device_does(tmp_path, seed, teach):
    for number, name in enumerate("abc"):
        with Gallery.open(tmp_path / name, seed) as gallery:
            if name != "c":
                gallery.align(shifted(number + 1.0))
            gallery.enroll(teach("scratch", number=number))
            if name == "b":
                gallery.align(shifted(9.0))
                gallery.undo()
    results = set()
    for order in itertools.permutations("abc"):
        path = tmp_path / "".join(order)
        shutil.copyfile(tmp_path / order[0], path)
        with Gallery.open(path, seed) as gallery:
            for other in order[1:]:
                gallery.merge(tmp_path / other)
                assert gallery.merge(tmp_path / other).rows == 0
            results.add(rows_of(gallery.snapshot(), "scratch").tobytes())
            assert [number for number, _ in gallery.snapshot().alignments] == ([] if order[0] == "c" else [1])
        assert check_gallery(path) == []
    assert len(results) == 1
    rows = np.frombuffer(results.pop(), np.float32).reshape(-1, 8)
    expected = [teach("scratch", number=number).vectors + by for number, by in enumerate((1.0, 2.0, 0.0))]
    assert {row.tobytes() for row in rows} == {row.tobytes() for row in np.concatenate(expected).astype(np.float32)}


def test_an_alignment_of_other_dimensions_is_refused(tmp_path, seed):
    with Gallery.open(tmp_path / "g", seed) as gallery, pytest.raises(GalleryError, match=r"7 dimensions.*have 8"):
        gallery.align(shifted(1.0, dim=7))
    assert check_gallery(tmp_path / "g") == []
