"""Galleries of before may spell a class as a Mac composed it: they open as they are, and any spelling finds it."""

import unicodedata

import numpy as np
import pytest

from edgefs_runtime.gallery import Gallery, read_snapshot
from edgefs_runtime.gallery.reading import read_thumbnails

pytestmark = pytest.mark.device

NFC, NFD = (unicodedata.normalize(form, "Kratzer-ä") for form in ("NFC", "NFD"))


@pytest.fixture
def gallery(tmp_path, seed):
    with Gallery.open(tmp_path / "parts.gallery", seed) as gallery:
        yield gallery


def test_a_class_stands_as_it_was_spelled(gallery, seed, teach):
    gallery.enroll(teach(NFD, 2, thumbnails=(b"x", b"y")))
    gallery.close()
    with Gallery.open(gallery.path, seed) as again:
        assert again.snapshot().labels == tuple(sorted(["dent", "good", NFD]))
        assert again.thumbnails(NFC) == again.thumbnails(f" {NFD}") == [b"x", b"y"]
    assert read_snapshot(gallery.path, seed).labels == tuple(sorted(["dent", "good", NFD]))
    assert read_thumbnails(gallery.path, seed, NFC) == [b"x", b"y"]


@pytest.mark.parametrize("asked", [NFC, NFD, f"{NFC}\u200b", f"\u00a0{NFD} "])
@pytest.mark.parametrize("stored", [NFC, NFD])
def test_forgetting_finds_either_spelling(gallery, teach, stored, asked):
    gallery.enroll(teach(stored, 3))
    assert gallery.forget(asked) == 3
    assert gallery.snapshot().labels == ("dent", "good")
    gallery.undo()
    assert gallery.snapshot().labels == tuple(sorted(["dent", "good", stored]))


def test_twins_that_an_older_version_made_are_one_class(gallery, seed, teach):
    gallery.enroll(teach(NFC, 3))
    gallery.enroll(teach(NFD, 2, number=1, disposition="ok"))
    snapshot = gallery.snapshot()
    assert snapshot.counts == {"dent": 3, "good": 4, NFC: 5}
    assert dict(zip(snapshot.labels, snapshot.dispositions, strict=True))[NFC] == "defect"
    gallery.close()
    read = read_snapshot(gallery.path, seed)
    assert read.labels == snapshot.labels
    assert np.array_equal(read.classes, snapshot.classes)
    with Gallery.open(gallery.path, seed) as again:
        assert again.forget(NFD) == 5
        assert again.snapshot().labels == ("dent", "good")


def test_one_image_in_twins_is_one_part(gallery, teach):
    one = teach(NFC, 1)
    gallery.enroll(one)
    gallery.enroll(teach(NFD, 1, number=1).__class__(NFD, "defect", one.vectors + 1, one.digests))
    parts = gallery.snapshot().parts[gallery.snapshot().classes == gallery.snapshot().labels.index(NFC)]
    assert len(set(parts.tolist())) == 1
