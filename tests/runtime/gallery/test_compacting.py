"""What was forgotten long ago is let go: the file stays small, the log stays whole."""

from __future__ import annotations

import pytest

from edgefs_runtime.base.errors import GalleryError
from edgefs_runtime.gallery import Gallery, check_gallery, read_snapshot

pytestmark = pytest.mark.device


def big(teach, label, number=0):
    return teach(label, 5, number=number, thumbnails=(b"t" * 20_000,) * 5)


def test_the_file_does_not_grow_with_what_is_forgotten(tmp_path, seed, teach):
    path = tmp_path / "g"
    with Gallery.open(path, seed) as gallery:
        gallery.compact(0)
    sizes = []
    for number in range(8):
        with Gallery.open(path, seed) as gallery:
            gallery.enroll(big(teach, "scratch", number))
            gallery.forget("scratch")
        sizes.append(path.stat().st_size)
    assert max(sizes[1:]) < sizes[1] + 8 * 4096  # rows of the log, and none of the 100 KB of each act
    with Gallery.open(path, seed) as gallery:
        assert len(gallery.log()) == 16
        assert gallery.undo().startswith("brought back 5 images of 'scratch'")  # the latest act can be taken back
        gallery.undo()
        with pytest.raises(GalleryError, match="its embeddings were let go"):
            gallery.undo()
    assert check_gallery(path) == []


def test_an_owner_that_never_closes_lets_go_too(tmp_path, seed, teach):
    path = tmp_path / "g"
    with Gallery.open(path, seed) as gallery:
        gallery.compact(0)
        for number in range(64):
            gallery.enroll(big(teach, "scratch", number))
            gallery.forget("scratch")
        on_disk = sum(file.stat().st_size for file in tmp_path.iterdir())
    assert on_disk < 32 * 100_000
    assert path.stat().st_size < 600_000


def test_by_default_all_can_be_undone(tmp_path, seed, teach):
    with Gallery.open(tmp_path / "g", seed) as gallery:
        for number in range(3):
            gallery.enroll(teach("scratch", number=number))
        gallery.forget("scratch")
        gallery.enroll(teach("crack"))
        assert gallery.compact(None).images == 0
        gallery.undo()
        gallery.undo()
        assert gallery.snapshot().counts["scratch"] == 9


def test_a_compacted_gallery_merges(tmp_path, seed, teach):
    with Gallery.open(tmp_path / "a", seed) as a:
        a.enroll(big(teach, "scratch"))
        a.enroll(big(teach, "crack"))
        a.forget("scratch")
        a.enroll(teach("dust"))
        assert a.compact(0).images == 5
        assert a.check() == []
    with Gallery.open(tmp_path / "b", seed) as b:
        b.merge(tmp_path / "a")
        assert b.snapshot().counts == {"crack": 5, "dent": 3, "dust": 3, "good": 4}
        b.undo()
        b.merge(tmp_path / "a")
    assert read_snapshot(tmp_path / "b", seed).counts == read_snapshot(tmp_path / "a", seed).counts
    assert check_gallery(tmp_path / "b") == []
