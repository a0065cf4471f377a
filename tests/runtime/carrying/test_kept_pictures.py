"""Kept pictures embedded again: the same embedding where the same is seen, and no word less where it is not."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from bundles import other_network, remade
from parts import GOLDEN as FOLDER
from textures import draw

from edgefs_runtime import Classifier
from edgefs_runtime.base.errors import GalleryError
from edgefs_runtime.bundle.bundle import Bundle
from edgefs_runtime.gallery.belonging import gallery_of

pytestmark = pytest.mark.device

Make = Callable[..., Path]
ONE, TWO = "1a" * 32, "2b" * 32
REGION = {"roi": [6, 2, 36, 40], "rotation": 90, "window": [200, 3900], "interpolation": "lanczos"}


@pytest.fixture
def first(bundle: Path, tmp_path: Path) -> Make:
    """`first(roi=...)`: the model that is taught, with these settings."""

    def make(**fields: Any) -> Path:
        preprocess = {**Bundle.open(bundle).manifest.raw["preprocess"], **fields}
        return remade(bundle, tmp_path / "first.edgefs", identity=ONE, preprocess=preprocess)

    return make


@pytest.fixture
def successor(bundle: Path, tmp_path: Path) -> Make:
    """`successor(roi=...)`: another network, whose embeddings are none of the first one's."""
    pytest.importorskip("onnx")
    network = other_network(bundle, tmp_path / "network.edgefs")

    def make(**fields: Any) -> Path:
        preprocess = {**Bundle.open(bundle).manifest.raw["preprocess"], **fields}
        return remade(network, tmp_path / "next.edgefs", identity=TWO, succeeds=ONE, preprocess=preprocess)

    return make


def deep(count: int) -> list[np.ndarray]:
    """Frames of 12 bits, uint16 `[48,48]`."""
    return [draw("checks", number, 48)[:, :, 0].astype(np.uint16) * 16 + number for number in range(count)]


def teach(bundle: Path, frames: list[np.ndarray], **how: Any) -> None:
    with Classifier.open(bundle) as classifier:
        classifier.enroll("checks", frames, keep_images=True, **how)


def rows_of(classifier: Classifier, label: str = "checks") -> np.ndarray:
    snapshot = classifier.judge.snapshot
    return snapshot.vectors[snapshot.classes == snapshot.labels.index(label)]


def test_a_picture_under_the_same_preprocessing_gives_the_embedding_of_its_frame(first: Make, successor: Make) -> None:
    """A region, turned, of 12 bits, in eight views: to the bit."""
    teach(first(**REGION), deep(3))
    with Classifier.open(successor(**REGION)) as classifier:
        carried = classifier.carry()
        assert (carried.ways, carried.abouts) == ({"checks": {"picture": 3}}, {})
        np.testing.assert_array_equal(rows_of(classifier), classifier.embed(deep(3), views=True))
        assert classifier.gallery.check() == []


def test_what_a_repair_teaches_again_is_what_was_taught(first: Make) -> None:
    bundle = first(**REGION)
    teach(bundle, deep(3))
    with Classifier.open(bundle) as classifier:
        before = rows_of(classifier)
    connection = sqlite3.connect(gallery_of(Bundle.open(bundle)))
    connection.execute("DROP TRIGGER blob_no_UPDATE")
    connection.execute("UPDATE blob SET data = zeroblob(length(data))")
    connection.commit()
    connection.close()
    with Classifier.open(bundle) as classifier:
        assert "checks" not in classifier.judge.snapshot.labels
        assert classifier.repair().taught == {"checks": 3}
        np.testing.assert_array_equal(rows_of(classifier), before)
        assert len(classifier.thumbnails("checks")) == 3


def test_carried_on_a_picture_is_still_the_one_that_was_taken(first: Make, successor: Make) -> None:
    teach(first(**REGION), deep(2))
    with Classifier.open(first(**REGION)) as classifier:
        taken = classifier.thumbnails("checks")
    with Classifier.open(successor(**REGION, resize="pad")) as classifier:
        assert classifier.carry().abouts == {
            "checks": {"kept at 32 x 32 by resize stretch, asked at 29 x 32 by resize pad": 2}
        }
        assert classifier.thumbnails("checks") == taken


def test_a_region_within_the_kept_one_comes_over_approximately_and_says_so(first: Make, successor: Make) -> None:
    teach(first(), deep(3))
    with Classifier.open(successor(roi=[8, 8, 32, 32])) as classifier:
        carried = classifier.carry()
        assert carried.ways == {"checks": {"picture": 3}}
        line = "checks: 3 pictures approximate, kept at 21 x 21, asked at 32 x 32"
        assert line in carried.lines()
        assert carried.to_json()["approximate"] == {"checks": {"kept at 21 x 21, asked at 32 x 32": 3}}


LACKS = {
    "region": ({"roi": [0, 0, 30, 30]}, {"roi": [10, 0, 30, 30]}, "show another region than this bundle looks at"),
    "window": ({"window": [0, 4095]}, {"window": [0, 2047]}, "show the raw values through another window"),
    "page": ({"window": [0, 4095]}, {"window": [0, 4095], "page": 2}, "show another page"),
}


@pytest.mark.parametrize("lack", LACKS)
def test_what_a_picture_lacks_stops_the_act_and_is_listed_image_by_image(
    lack: str, first: Make, successor: Make
) -> None:
    made, now, words = LACKS[lack]
    teach(first(**made), deep(2), groups=["p1", "p2"])
    with Classifier.open(successor(**now)) as classifier:
        with pytest.raises(GalleryError, match=f"2 images of 'checks' {words}.*nothing was carried over"):
            classifier.carry()
        assert classifier.gallery_path is not None
        assert not classifier.gallery_path.exists()
        told = classifier.carry(check=True)
    assert told.ways == {"checks": {lack: 2}}
    with Classifier.open(first(**made)) as classifier:
        (entry,) = classifier.gallery.log()
        assert [(one.label, one.name, one.time) for one in told.missing] == [
            ("checks", f"{entry.seq}.{number}", entry.time) for number in (1, 2)
        ]
        assert classifier.gallery.remove(told.missing[1].name) == ("checks", 1)  # it is named as other commands name it
    assert [line for line in told.lines() if line.startswith("missing: checks 1.1 (")]
    assert len(told.to_json()["missing"][0]["digest"]) == 64


def test_frames_of_8_bits_know_no_window(first: Make, successor: Make) -> None:
    teach(first(), [draw("checks", number, 48) for number in range(2)])
    with Classifier.open(successor(window=[0, 4095])) as classifier:
        carried = classifier.carry()
        assert (carried.ways, carried.abouts) == ({"checks": {"picture": 2}}, {})


def test_the_jpegs_of_before_are_embedded_as_ever_and_keep_their_region(tmp_path: Path) -> None:
    """`line.gallery` has two of them, of a region of interest."""
    gallery = tmp_path / f"line-{'3c' * 8}-01234567.gallery"  # of another model, so that pictures alone come over
    gallery.write_bytes((FOLDER / "line.gallery").read_bytes())
    line = FOLDER / "line.edgefs"
    preprocess = Bundle.open(line).manifest.raw["preprocess"]
    near = remade(line, tmp_path / "near.edgefs", preprocess={**preprocess, "interpolation": "lanczos"})
    with Classifier.open(near, gallery=tmp_path / "g", challenge=False) as classifier:
        carried = classifier.carry(gallery, force=True)
        assert carried.ways["Kratzer"] == {"picture": 2}
        assert carried.abouts["Kratzer"] == {"kept as a small JPEG, asked as the frame was": 2}
        assert all(picture.startswith(b"\xff\xd8\xff") for picture in classifier.thumbnails("Kratzer"))
        assert classifier.gallery.check() == []
    moved = remade(line, tmp_path / "moved.edgefs", preprocess={**preprocess, "roi": [0, 0, 30, 30]})
    with Classifier.open(moved, gallery=tmp_path / "h", challenge=False) as classifier:
        assert classifier.carry(gallery, check=True).ways["Kratzer"] == {"region": 2}


def test_what_was_approved_comes_over_approved(first: Make, successor: Make) -> None:
    with Classifier.open(first()) as classifier:
        classifier.enroll("checks", deep(2), pending=True, keep_images=True, actor="Ana")
        classifier.enroll("late", deep(3)[2:], pending=True, keep_images=True, actor="Ana", force=True)
        classifier.approve("1", actor="Bo", reason="looked at")
    with Classifier.open(successor()) as classifier:
        assert classifier.carry().images == 3
        assert classifier.judge.snapshot.counts.get("checks") == 2
        assert "late" not in classifier.judge.snapshot.labels
