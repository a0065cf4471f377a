"""The same label through every entrance: folders, tables, options, teaching, forgetting, challenge parts."""

import csv
import os
import sys
import tempfile
import unicodedata
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from places import GOLDEN
from textures import save

from edgefs.data import load_dataset
from edgefs.data.dispositions import dispositions_of
from edgefs_runtime import Classifier
from edgefs_runtime.base.errors import DataError, GalleryError
from edgefs_runtime.base.labels import entered_label
from edgefs_runtime.challenge import Challenge
from edgefs_runtime.images.listing import is_passed_over

NFC, NFD = (unicodedata.normalize(form, "Kratzer-ä") for form in ("NFC", "NFD"))


def _is_label(text: str) -> bool:
    try:
        return len(entered_label(text)) < 30
    except GalleryError:
        return False


LABELS = st.text(
    st.one_of(
        st.characters(codec="utf-8", exclude_categories=("Cc", "Cs", "Zl", "Zp")),
        st.sampled_from("aä\u0308\u200b\ufeff \u00a0\u3000划ẞſ"),
    ),
    min_size=1,
    max_size=20,
).filter(_is_label)


def picture(path: Path, seed: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.random.default_rng(seed).integers(0, 256, (6, 6), np.uint8)).save(path)


@given(LABELS)
@settings(max_examples=60, deadline=None)
def test_folders_and_cells_give_the_label_that_is_typed(label):
    wanted = entered_label(label)
    with tempfile.TemporaryDirectory() as folder:
        table = Path(folder, "t.csv")
        picture(Path(folder, "1.png"), 1)
        with table.open("w", encoding="utf-8", newline="") as file:
            csv.writer(file).writerows([["path", "label"], ["1.png", label]])
        assert load_dataset(table, minimum_classes=1).classes == (wanted,)
        if "/" not in label and not is_passed_over(label) and len(label.encode()) < 200 and sys.platform != "win32":
            picture(Path(folder, "d", label, "2.png"), 2)
            picture(Path(folder, "d", "good", "3.png"), 3)
            assert load_dataset(Path(folder, "d")).classes == tuple(sorted({wanted, "good"}))
            assert load_dataset(Path(folder, "d"), without=[label], ok=["good"]).classes == ("good",)
            assert dispositions_of((wanted,), (label,)) == {wanted: "ok"}


@pytest.fixture(scope="module")
def shots(tmp_path_factory):
    folder = tmp_path_factory.mktemp("shots")
    return [save(folder, "checks", number) for number in range(3)]


@given(st.lists(LABELS, min_size=1, max_size=2))
@settings(max_examples=12, deadline=None)
def test_what_is_taught_is_known_looked_at_and_forgotten_in_every_spelling(shots, labels):
    with tempfile.TemporaryDirectory() as folder, Classifier.open(GOLDEN, gallery=Path(folder, "g")) as classifier:
        for label in labels:
            spellings = [
                unicodedata.normalize("NFD", label),
                f" \ufeff{label}\u00a0",
                unicodedata.normalize("NFC", label),
            ]
            wanted = entered_label(label)
            assert classifier.check(spellings[0], shots).label == wanted
            known = classifier.judge.snapshot.counts.get(wanted, 0)
            taught = classifier.enroll(spellings[0], shots[:1], force=True, keep_images=True)
            again = classifier.enroll(spellings[1], shots[1:], force=True, keep_images=True)
            assert (taught.label, again.label, again.is_new, again.total) == (wanted, wanted, False, known + 3)
            assert len(classifier.thumbnails(spellings[2])) == 3
            assert classifier.forget(spellings[2]) == known + 3


def test_a_challenge_part_expects_a_class_in_any_spelling(bundle, shots, tmp_path):
    with Classifier.open(bundle, gallery=tmp_path / "g") as classifier:
        classifier.enroll(NFC, shots, force=True)
        challenge: Challenge = classifier.challenge
        (added,) = challenge.add(shots[:1], "NG", classifier.judge, label=NFD)
        assert added.result.part.label == NFC
        assert added.result.passes


def test_a_new_class_that_differs_in_case_only_needs_force(bundle, shots, tmp_path):
    with Classifier.open(bundle, gallery=tmp_path / "g") as classifier:
        said = "'Dots' differs in case only from 'dots', which is known"
        with pytest.raises(GalleryError, match=f"{said}; nothing was enrolled: .* pass --force"):
            classifier.enroll("Dots", shots)
        assert classifier.check("Dots", shots).conflict == said
        assert classifier.enroll("Dots", shots, force=True).is_new
        assert not classifier.enroll("Dots", shots).is_new  # known from now on
        with pytest.raises(GalleryError, match="in the form of their characters"):
            classifier.enroll("ｇｏｏｄ", shots)


def test_classes_that_differ_in_case_or_width_are_asked_about(make):
    root = make("Scratch/1.png", "scratch/2.png", "ok/3.png", "ＯＫ/4.png")
    assert load_dataset(root).notes == (
        "Scratch and scratch differ in case only: are they one class?",
        "ok and ＯＫ differ in the form of their characters only: are they one class?",
    )


@pytest.mark.skipif(sys.platform != "linux", reason="file names are bytes on Linux alone")
@pytest.mark.parametrize(
    ("raw", "reads"),
    [
        ("划痕".encode("gbk"), "划痕 as GBK"),
        ("Riß".encode("latin-1"), "Riß as Latin-1"),
        ("Größe".encode("latin-1"), "Größe as Latin-1"),
    ],
)
def test_a_class_folder_that_is_not_utf8_is_shown_with_what_it_reads(make, raw, reads):
    root = make(good=1, bad=1)
    (root / "bad").rename(root / os.fsdecode(raw))
    with pytest.raises(DataError) as refused:
        load_dataset(root)
    assert str(refused.value) == f"{root}: the folder name {raw!r} is not UTF-8 (it reads {reads}): rename it"


def test_a_class_whose_files_are_of_a_kind_that_is_not_read_says_so(make):
    root = make("a/1.png", "b/2.png", "c/3.png", "c/4.png")
    (root / "c" / "3.png").rename(root / "c" / "3.jp2")
    (root / "c" / "4.png").rename(root / "c" / "4.jp2")
    with pytest.raises(DataError) as refused:
        load_dataset(root)
    assert str(refused.value) == (
        f"{root}: class 'c' has no usable image (none found; 2 files were passed over, which are no images by their "
        "suffix: 2 .jp2 (the first is 3.jp2). To use .jp2, convert them to PNG or JPEG); add images to it or remove "
        "the class"
    )


def test_what_is_passed_over_is_noted(make):
    root = make("a/1.png", "b/2.png", "b/deep/3.png")
    for name in ("a/1.json", "b/2.json", "b/deep/x.jp2", "a/.hidden.json", "b/Thumbs.db"):
        (root / name).touch()
    dataset = load_dataset(root)
    assert dataset.other_files == 3
    assert dataset.notes == (
        "3 files were passed over, which are no images by their suffix: 2 .json (the first is 1.json), 1 .jp2. "
        "To use .jp2, convert them to PNG or JPEG.",
    )
