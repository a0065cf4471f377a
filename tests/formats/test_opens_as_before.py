"""Bundles, galleries and challenge folders that were written before open as they did."""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from bundles import remade
from observing import differences, of_bundle, of_gallery
from parts import GOLDEN, parts
from second_reader.galleries import read_snapshot_file

from edgefs_runtime import Bundle, BundleError, Classifier, GalleryError
from edgefs_runtime.gallery import check_gallery

pytestmark = pytest.mark.device

Copy = Callable[[str], Path]
Expected = Callable[[str], Any]
LINE = GOLDEN / "line.edgefs"


@pytest.mark.parametrize("name", ["line", "tiny", "kept"])
def test_a_bundle_says_and_decides_what_it_did(name: str, expected: Expected) -> None:
    assert differences(of_bundle(GOLDEN / f"{name}.edgefs"), expected(name)["bundle"]) == []


@pytest.mark.parametrize(
    ("bundle", "gallery", "name"),
    [
        ("line.edgefs", "line.gallery", "line"),
        ("line.edgefs", "other.gallery", "other"),
        ("tiny.edgefs", "old/first.gallery", "old-first"),
        ("kept.edgefs", "kept.gallery", "kept"),
    ],
)
def test_a_gallery_says_decides_and_takes_back_what_it_did(
    bundle: str, gallery: str, name: str, expected: Expected
) -> None:
    assert differences(of_gallery(bundle, gallery), expected(name)["gallery"]) == []


@pytest.mark.parametrize("gallery", ["line.gallery", "other.gallery"])
def test_opening_changes_no_byte(gallery: str, copy: Copy) -> None:
    path = copy(gallery)
    with Classifier.open(LINE, gallery=path, challenge=False) as classifier:
        classifier.predict(parts("good", 6, 1))
    assert path.read_bytes() == (GOLDEN / gallery).read_bytes()


def test_another_device_of_before_is_merged(copy: Copy) -> None:
    with Classifier.open(LINE, gallery=copy("line.gallery"), challenge=False) as classifier:
        merged = classifier.merge(GOLDEN / "other.gallery", force=True)
        assert (merged.rows, dict(merged.added), dict(merged.removed)) == (3, {"Naht ü": 1}, {"stripes": 4})
        assert classifier.gallery.check() == []


def test_the_oldest_schema_stays_until_an_act_needs_the_next(copy: Copy, tmp_path: Path) -> None:
    tiny, first, other = GOLDEN / "tiny.edgefs", copy("old/first.gallery"), tmp_path / "other.gallery"
    for gallery, image, number in ((first, 6, 1), (other, 7, 3)):
        with Classifier.open(tiny, gallery=gallery) as classifier:
            classifier.enroll("checks", parts("checks", image, 1), disposition="defect", force=True)
        assert schema(gallery) == number
    with Classifier.open(tiny, gallery=first) as classifier:
        classifier.merge(other, force=True)
    assert schema(first) == 3
    assert check_gallery(first) == []


def test_an_older_file_gets_the_tables_of_schema_3_with_its_first_lossless_picture(copy: Copy) -> None:
    tiny, first = GOLDEN / "tiny.edgefs", copy("old/first.gallery")
    with Classifier.open(tiny, gallery=first) as classifier:
        classifier.enroll("checks", parts("checks", 6, 1), disposition="defect", force=True)
        assert schema(first) == 1
        classifier.enroll("checks", parts("checks", 7, 1), keep_images=True, force=True)
        assert [picture[:4] for picture in classifier.thumbnails("checks")][-1:] == [b"\x89PNG"]
        assert classifier.gallery.check() == []
    assert schema(first) == 3


def test_a_picture_whose_media_type_was_changed_is_found(copy: Copy) -> None:
    path = copy("kept.gallery")
    connection = sqlite3.connect(path, isolation_level=None)
    (trigger,) = connection.execute("SELECT sql FROM sqlite_master WHERE name = 'shot_no_UPDATE'").fetchone()
    connection.execute("DROP TRIGGER shot_no_UPDATE")
    connection.execute("UPDATE shot SET media = 'image/webp' WHERE device NOT LIKE 'seed:%' AND seq = 2")
    connection.execute(trigger)
    connection.close()
    assert [problem.partition(": ")[2] for problem in check_gallery(path)] == [
        "thumbnail 0 is damaged",
        "thumbnail 1 is damaged",
    ]


def schema(path: Path) -> int:
    """SQLite's user_version, where it stands in a file at rest."""
    return int.from_bytes(path.read_bytes()[60:64], "big")


def test_a_reader_takes_the_snapshot_of_before_while_an_owner_lives(copy: Copy) -> None:
    path = copy("line.gallery")
    with Classifier.open(LINE, gallery=path, challenge=False) as owner:
        owner.enroll("checks", parts("checks", 5, 1), force=True)  # from now on the file alone is not the truth
        assert owner.judge.snapshot.counts["checks"] == 5
        copy("line.gallery.snapshot")
        with Classifier.open(LINE, gallery=path, challenge=False) as reader:
            seen = reader.judge.snapshot
            assert (seen.sequence, seen.counts["checks"]) == (19, 4)
            np.testing.assert_array_equal(seen.vectors, read_snapshot_file(GOLDEN / "line.gallery.snapshot")["vectors"])


def test_challenge_parts_of_before_are_judged_and_guard(copy: Copy) -> None:
    path, folder = copy("line.gallery"), copy("line.challenge")
    index = (folder / "parts.json").read_bytes()
    with Classifier.open(LINE, gallery=path) as classifier:
        results = classifier.challenge.judged(classifier.judge)
        assert [(one.part.name, one.part.camera, one.passes) for one in results] == [
            ("good-007.png", 0, True),
            ("stripes-007.png", 0, True),
            ("checks-007.png", 15, True),
        ]
        assert classifier.challenge.is_accepted()
        with pytest.raises(GalleryError, match="challenge part good-007"):
            classifier.forget("good")
    assert (folder / "parts.json").read_bytes() == index


NEWER = {
    "bundle": "bundle format 2.0: this runtime reads 1.x; update edgefs, or export again",
    "runtime": "the bundle needs edgefs 99.0 or newer",
    "gallery": "has schema 4, this edgefs knows up to 3; update edgefs to open it",
    "challenge": "format 2, this runtime reads 1; update edgefs",
}


@pytest.mark.parametrize("what", NEWER)
def test_a_newer_format_is_refused_in_one_line_and_left_alone(what: str, copy: Copy, tmp_path: Path) -> None:
    bundle, gallery, folder = LINE, copy("line.gallery"), copy("line.challenge")
    if what == "bundle":
        bundle = remade(LINE, tmp_path / "newer.edgefs", format_version="2.0")
    if what == "runtime":
        bundle = remade(LINE, tmp_path / "newer.edgefs", min_runtime="99.0")
    if what == "gallery":
        connection = sqlite3.connect(gallery)
        connection.execute("PRAGMA user_version = 4")
        connection.close()
    if what == "challenge":
        index = (folder / "parts.json").read_text(encoding="utf-8")
        (folder / "parts.json").write_text(index.replace('"format": 1', '"format": 2'), encoding="utf-8")
    before = digests(tmp_path)
    with pytest.raises((BundleError, GalleryError)) as refused:
        Classifier.open(bundle, gallery=gallery)
    assert NEWER[what] in str(refused.value)
    assert "\n" not in str(refused.value)
    assert digests(tmp_path) == before


def digests(folder: Path) -> dict[str, str]:
    files = [path for path in folder.rglob("*") if path.is_file()]
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def test_fields_that_are_not_known_do_no_harm(copy: Copy, tmp_path: Path) -> None:
    later = remade(LINE, tmp_path / "later.edgefs", format_version="1.9", novelty={"a": 1})
    assert Bundle.open(later).manifest.raw["novelty"] == {"a": 1}
    with Classifier.open(later, gallery=copy("line.gallery"), challenge=False) as classifier:
        assert classifier.judge.snapshot.counts["Naht ü"] == 2


def test_golden_files_are_small_and_hold_no_picture_of_a_customer() -> None:
    files = [path for path in GOLDEN.rglob("*") if path.is_file() and "__pycache__" not in path.parts]
    assert sum(path.stat().st_size for path in files) < 1_500_000
    pictures = {hashlib.sha256(path.read_bytes()).hexdigest() for path in (GOLDEN / "images").rglob("*.png")}
    kept = {path.stem for path in (GOLDEN / "line.challenge").glob("*.png")}
    assert kept <= pictures
