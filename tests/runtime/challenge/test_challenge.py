"""Challenge parts: what is kept, and what it stops."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from bundles import remade
from kept_parts import flags, keep, results
from PIL import Image

from edgefs_runtime import Bundle, BundleError, Classifier, GalleryError, ImageError
from edgefs_runtime.base.state import challenge_folder
from edgefs_runtime.decision.heads import HEADS, Head
from edgefs_runtime.decision.snapshot import Snapshot
from edgefs_runtime.gallery import check_gallery
from edgefs_runtime.images import content_digest

pytestmark = pytest.mark.device

Pictures = Callable[..., list[Path]]
RECHECKING = {"decision": {"budget": 0.05, "unknown": "RECHECK"}}  # unknown parts, which were NG, are RECHECK


@pytest.mark.parametrize(
    ("gallery", "folder"),
    [
        ("a.gallery", "a.challenge"),
        ("a", "a.challenge"),
        ("line.1", "line.1.challenge"),
        ("产线.gallery", "产线.challenge"),
    ],
)
def test_the_folder_lies_beside_the_gallery(gallery: str, folder: str) -> None:
    assert challenge_folder(Path("x") / gallery) == Path("x") / folder


def test_a_part_is_kept_with_what_it_must_get(bundle: Path, gallery: Path, pictures: Pictures) -> None:
    (dots,) = pictures("dots", 1)
    with Classifier.open(bundle, gallery=gallery) as classifier:
        (added,) = classifier.challenge.add([dots], "NG", classifier.judge, label="dots", actor="Jo")
        (part,) = classifier.challenge.parts()
    assert (added.status, added.result.verdict, added.result.passes) == ("new", "NG", True)
    assert (part.name, part.expected, part.label, part.actor, part.passed) == ("dots-100.png", "NG", "dots", "Jo", True)
    assert part.sha256 == content_digest(dots)
    assert (challenge_folder(gallery) / part.file_name).read_bytes() == dots.read_bytes()
    assert not gallery.exists()


def test_another_class_than_the_asked_one_fails(bundle: Path, gallery: Path, pictures: Pictures) -> None:
    with Classifier.open(bundle, gallery=gallery) as classifier:
        (added,) = classifier.challenge.add(pictures("dots", 1), "NG", classifier.judge, label="stripes")
    assert not added.result.passes
    assert added.result.got == "NG (dots)"


def test_the_same_content_again_changes_nothing_or_what_it_must_get(
    bundle: Path, gallery: Path, pictures: Pictures, tmp_path: Path
) -> None:
    (dots,) = pictures("dots", 1)
    copy = tmp_path / "copy.bmp"
    copy.write_bytes(dots.read_bytes())
    with Classifier.open(bundle, gallery=gallery) as classifier:
        challenge, judge = classifier.challenge, classifier.judge
        assert [added.status for added in challenge.add([dots, copy], "NG", judge)] == ["new"]
        before = (challenge.folder / "parts.json").read_bytes()
        assert [added.status for added in challenge.add([copy], "NG", judge, actor="other")] == ["same"]
        assert (challenge.folder / "parts.json").read_bytes() == before
        (added,) = challenge.add([copy], "OK", judge)
        assert (added.status, added.result.passes) == ("replaced", False)
        (part,) = challenge.parts()
    assert (part.expected, part.passed) == ("OK", False)
    assert len(list(challenge.folder.glob(f"{part.sha256}*"))) == 1


def _black(path: Path) -> Path:
    Image.fromarray(np.zeros((48, 48, 3), np.uint8)).save(path)
    return path


BAD: dict[str, Callable[[Path], Path]] = {
    "missing": lambda folder: folder / "gone.png",
    "empty": lambda folder: (folder / "empty.png").touch() or folder / "empty.png",
    "no image": lambda folder: Path(__file__),
    "a folder": lambda folder: folder,
    "black": lambda folder: _black(folder / "black.png"),
}


@pytest.mark.parametrize("fault", BAD)
def test_a_bad_image_is_named_and_nothing_is_kept(
    bundle: Path, gallery: Path, pictures: Pictures, tmp_path: Path, fault: str
) -> None:
    bad = BAD[fault](tmp_path)
    with Classifier.open(bundle, gallery=gallery) as classifier:
        with pytest.raises(ImageError, match=r"nothing was kept") as raised:
            classifier.challenge.add([*pictures("dots", 2), bad], "NG", classifier.judge)
        assert str(bad) in str(raised.value)
        assert not challenge_folder(gallery).exists()


@pytest.mark.parametrize("kept", [0, 2])
def test_an_act_computes_the_head_once_with_and_without_challenge_parts(
    bundle: Path, gallery: Path, pictures: Pictures, monkeypatch: pytest.MonkeyPatch, kept: int
) -> None:
    fitted: list[int] = []
    with Classifier.open(bundle, gallery=gallery) as classifier:  # it passes its self-test, which fits a head too
        kind = classifier.judge.head
    usual = HEADS[kind]

    def counted(snapshot: Snapshot, **settings: Any) -> Head:
        fitted.append(len(snapshot.classes))
        return usual(snapshot, **settings)

    monkeypatch.setitem(HEADS, kind, counted)
    with Classifier.open(bundle, gallery=gallery, challenge=False) as classifier:
        if kept:
            classifier.challenge.add(pictures("dots", kept), "NG", classifier.judge)
        known = len(classifier.judge.snapshot.classes)
        classifier.enroll("checks", pictures("checks", 3), force=not kept)
        classifier.enroll("checks", pictures("checks", 2, first=40))
        classifier.undo()
        after = classifier.judge.snapshot
    assert fitted == [known, known + 3, known + 5, known + 3]
    with Classifier.open(bundle, gallery=gallery) as again:
        assert again.judge.snapshot.is_same(after)


@pytest.mark.parametrize("label", ["unknown", "two\tcells", "two\nlines"])
def test_a_label_that_cannot_be_answered_is_refused(
    bundle: Path, gallery: Path, pictures: Pictures, label: str
) -> None:
    with Classifier.open(bundle, gallery=gallery) as classifier, pytest.raises(GalleryError):
        classifier.challenge.add(pictures("dots", 1), "NG", classifier.judge, label=label)
    assert not challenge_folder(gallery).exists()


def test_parts_are_removed_by_name_or_id_all_or_none(
    bundle: Path, gallery: Path, pictures: Pictures, tmp_path: Path
) -> None:
    first, second, third = pictures("dots", 3)
    (tmp_path / "b").mkdir()
    namesake = third.rename(tmp_path / "b" / first.name)
    keep(bundle, gallery, [first, second, namesake], "NG")
    with Classifier.open(bundle, gallery=gallery) as classifier:
        challenge = classifier.challenge
        one, two, three = challenge.parts()
        with pytest.raises(GalleryError, match=f"2 challenge parts are called 'dots-100.png'.*{one.id}, {three.id}"):
            challenge.remove([second.name, first.name])
        with pytest.raises(GalleryError, match=r"no challenge part is called 'x\.png'"):
            challenge.remove([second.name, "x.png"])
        assert challenge.parts() == (one, two, three)
        assert challenge.remove([second.name, one.id, two.id]) == [two, one]
        assert challenge.parts() == (three,)
    kept = {path.name for path in challenge.folder.iterdir() if not path.name.startswith("vectors-")}
    assert kept == {"parts.json", three.file_name}


def test_an_enrolment_that_spoils_a_part_is_refused_and_nothing_is_written(
    bundle: Path, gallery: Path, pictures: Pictures, unknown_part: Path
) -> None:
    keep(bundle, gallery, [unknown_part, *pictures("dots", 1)], "NG")
    with Classifier.open(bundle, gallery=gallery) as classifier:
        with pytest.raises(GalleryError) as raised:
            classifier.enroll("variant B", pictures("checks", 5), disposition="ok")
        assert "checks-300.png" in str(raised.value)
        assert "must get NG and would get OK (variant B); nothing was enrolled" in str(raised.value)
        assert "dots" not in str(raised.value)
        assert not gallery.exists()
        assert "variant B" not in classifier.judge.snapshot.labels
        assert classifier.enroll("checks", pictures("checks", 5)).is_new  # as a defect it spoils nothing
        before = gallery.read_bytes()
        with pytest.raises(GalleryError, match="nothing was enrolled"):
            classifier.enroll("good", pictures("checks", 8, first=400), force=False)
        assert classifier.gallery.sequence == 1
    assert check_gallery(gallery) == []
    assert len(before) > 0


def test_force_enrolls_all_the_same_and_notes_what_fails_now(
    bundle: Path, gallery: Path, pictures: Pictures, unknown_part: Path
) -> None:
    keep(bundle, gallery, [unknown_part], "NG")
    with Classifier.open(bundle, gallery=gallery) as classifier:
        classifier.enroll("variant B", pictures("checks", 5), disposition="ok", force=True)
        assert flags(gallery) == {"checks-300.png": False}
        classifier.enroll("variant B", pictures("checks", 5, first=400))  # it fails already, so it stops nothing
        classifier.undo()
        classifier.undo()
        assert flags(gallery) == {"checks-300.png": True}
        classifier.forget("dots")
    assert flags(gallery) == {"checks-300.png": True}


def test_forgetting_the_class_of_a_part_is_noted_and_undo_too(bundle: Path, gallery: Path, pictures: Pictures) -> None:
    keep(bundle, gallery, pictures("dots", 1), "NG", label="dots")
    with Classifier.open(bundle, gallery=gallery) as classifier:
        with pytest.raises(GalleryError, match=r"would get NG \(unknown\); nothing was forgotten: .* pass --force"):
            classifier.forget("dots")
        assert not gallery.exists()
        for label in ("dots", "good", "stripes"):
            classifier.forget(label, force=True)
            assert flags(gallery) == {"dots-100.png": False}
        classifier.enroll("good", pictures("good", 3))  # of no class at all nothing can be spoiled
        for _ in range(4):
            classifier.undo()
    assert flags(gallery) == {"dots-100.png": True}


def test_a_part_that_fails_already_stops_nothing(bundle: Path, gallery: Path, pictures: Pictures) -> None:
    keep(bundle, gallery, pictures("dots", 1), "OK")
    with Classifier.open(bundle, gallery=gallery) as classifier:
        assert classifier.enroll("checks", pictures("checks", 5)).images == 5
    assert results(bundle, gallery) == {"dots-100.png": False}


def test_check_says_what_would_be_spoiled(bundle: Path, gallery: Path, pictures: Pictures, unknown_part: Path) -> None:
    keep(bundle, gallery, [unknown_part], "NG")
    with Classifier.open(bundle, gallery=gallery) as classifier:
        assert classifier.check("good", pictures("good", 5)).challenge == ()
        advice = classifier.check("good", pictures("checks", 12))
        (as_ok,) = classifier.check("variant B", pictures("checks", 5), disposition="ok").challenge
    assert "would get OK (variant B)" in as_ok
    (sentence,) = advice.challenge
    assert sentence.startswith("checks-300.png")
    assert "must get NG and would get OK (good)" in sentence
    assert json.loads(json.dumps(advice.to_json()))["challenge"] == [sentence]


def test_a_merge_that_spoils_a_part_is_refused_and_nothing_is_written(
    bundle: Path, gallery: Path, pictures: Pictures, unknown_part: Path, tmp_path: Path
) -> None:
    other = tmp_path / "other.gallery"
    with Classifier.open(bundle, gallery=other) as classifier:
        classifier.enroll("variant B", pictures("checks", 5), disposition="ok")
    keep(bundle, gallery, [unknown_part], "NG")
    with Classifier.open(bundle, gallery=gallery) as classifier:
        with pytest.raises(GalleryError, match=r"would get OK \(variant B\); nothing was merged"):
            classifier.merge(other)
        assert not gallery.exists()
        assert classifier.merge(other, force=True).rows == 1
        assert classifier.merge(other).rows == 0
    assert flags(gallery) == {"checks-300.png": False}


def test_a_merge_that_spoils_nothing_goes_through(
    bundle: Path, gallery: Path, pictures: Pictures, unknown_part: Path, tmp_path: Path
) -> None:
    other = tmp_path / "other.gallery"
    with Classifier.open(bundle, gallery=other) as classifier:
        classifier.enroll("checks", pictures("checks", 5))
    keep(bundle, gallery, [unknown_part], "NG")
    with Classifier.open(bundle, gallery=gallery) as classifier:
        assert classifier.merge(other).added == {"checks": 5}


def test_a_bundle_that_spoils_a_part_is_refused_until_it_is_accepted(
    bundle: Path, gallery: Path, pictures: Pictures, unknown_part: Path, tmp_path: Path
) -> None:
    keep(bundle, gallery, [unknown_part, *pictures("dots", 1)], "NG")
    other = remade(bundle, tmp_path / "other.edgefs", **RECHECKING)
    for _ in range(2):
        with pytest.raises(BundleError) as raised:
            Classifier.open(other, gallery=gallery)
        assert "checks-300.png" in str(raised.value)
        assert "must get NG and would get RECHECK (unknown)" in str(raised.value)
        assert "edgefs challenge run BUNDLE --accept" in str(raised.value)
    with Classifier.open(other, gallery=gallery, challenge=False) as classifier:
        classifier.challenge.run(classifier.judge)  # looking does not accept
    with pytest.raises(BundleError):
        Classifier.open(other, gallery=gallery)
    Classifier.open(bundle, gallery=gallery).close()
    Classifier.open(other, gallery=gallery, seed_only=True).close()
    with Classifier.open(other, gallery=gallery, challenge=False) as classifier:
        classifier.challenge.run(classifier.judge, accept=True)
    Classifier.open(other, gallery=gallery).close()
    assert flags(gallery) == {"checks-300.png": False, "dots-100.png": True}


def test_a_bundle_that_spoils_nothing_is_noted(bundle: Path, gallery: Path, pictures: Pictures, tmp_path: Path) -> None:
    keep(bundle, gallery, pictures("dots", 2), "NG")
    other = remade(bundle, tmp_path / "other.edgefs", version="2")
    with Classifier.open(other, gallery=gallery) as classifier:
        assert classifier.challenge.is_accepted()
    assert json.loads((challenge_folder(gallery) / "parts.json").read_bytes())["bundle"] == Bundle.open(other).digest


def test_a_part_that_a_bundle_of_another_preprocessing_cannot_judge_fails(
    bundle: Path, gallery: Path, pictures: Pictures, tmp_path: Path
) -> None:
    keep(bundle, gallery, pictures("dots", 1), "NG")
    preprocess = {**Bundle.open(bundle).manifest.raw["preprocess"], "roi": [0, 0, 500, 500]}
    other = remade(bundle, tmp_path / "other.edgefs", preprocess=preprocess)
    with pytest.raises(BundleError, match=r"would get NO_DECISION \(region of interest"):
        Classifier.open(other, gallery=gallery)
    assert len(list(challenge_folder(gallery).glob("vectors-*.npz"))) == 2
