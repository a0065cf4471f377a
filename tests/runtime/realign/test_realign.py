"""Realigning through `Classifier`: what the camera of now sees, what is stored, merged, undone and guarded."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from textures import draw

from edgefs_runtime import Classifier, Decision, GalleryError
from edgefs_runtime.gallery import check_gallery
from edgefs_runtime.images import content_digest

pytestmark = pytest.mark.device

KNOWN = ("good", "stripes", "dots")
Shoot = Callable[..., list[Path]]


@pytest.fixture
def gallery(tmp_path: Path) -> Path:
    return tmp_path / "line.gallery"


@pytest.fixture
def shoot(tmp_path: Path) -> Shoot:
    """`shoot("dots", 5, first=100)`: files that the changed camera gave, of a weaker contrast and with more noise."""

    def write(kind: str, count: int, first: int = 100, contrast: float = 0.55, noise: float = 0) -> list[Path]:
        folder = tmp_path / f"changed-{contrast}-{noise}"
        folder.mkdir(exist_ok=True)
        files = [folder / f"{kind}-{number}.png" for number in range(first, first + count)]
        for number, file in enumerate(files, start=first):
            pixels = 128 + contrast * (draw(kind, number).astype(np.float64) - 128)
            pixels += noise * np.random.default_rng(number).standard_normal(pixels.shape)
            Image.fromarray(np.rint(np.clip(pixels, 0, 255)).astype(np.uint8)).save(file)
        return files

    return write


def batch(shoot: Shoot, **changed: float) -> list[Path]:
    return [file for kind in KNOWN for file in shoot(kind, 14, **changed)]


def questions(shoot: Shoot, **changed: float) -> list[Path]:
    return [file for kind in KNOWN for file in shoot(kind, 8, first=300, **changed)]


def unknown(decisions: list[Decision]) -> float:
    return float(np.mean([decision.label is None for decision in decisions]))


def holds(classifier: Classifier, rows: NDArray[np.float32]) -> bool:
    """Whether all rows are in its gallery; their order depends on the random names of devices."""
    own = {row.tobytes() for row in classifier.judge.snapshot.vectors}
    return all(row.tobytes() in own for row in rows)


def said(decisions: list[Decision]) -> list[tuple[str, str | None, float | None]]:
    return [(decision.verdict, decision.label, decision.p_value) for decision in decisions]


def test_a_changed_camera_is_realigned_and_undone(bundle: Path, gallery: Path, shoot: Shoot) -> None:
    asked = questions(shoot)
    with Classifier.open(bundle, gallery=gallery) as classifier:
        before = classifier.predict(asked)
        realigned = classifier.realign(batch(shoot), actor="Jo", reason="new lamp")
        after = classifier.predict(asked)
        assert (realigned.kind, realigned.images, realigned.passed_over, realigned.doubt) == ("moments", 42, 0, "")
        assert realigned.refused_after < realigned.refused_before
        assert unknown(after) < unknown(before) - 0.2
        (entry,) = classifier.gallery.log()
        assert (entry.kind, entry.images, entry.actor, entry.reason) == ("align", 42, "Jo", "new lamp")
        assert classifier.gallery.check() == []
        assert classifier.undo().startswith("took back the alignment to a changed camera by 42 images (")
        assert said(classifier.predict(asked)) == said(before)
        with pytest.raises(GalleryError, match="nothing to undo"):
            classifier.undo()
    assert check_gallery(gallery) == []


def test_what_is_already_known_is_not_moved(bundle: Path, gallery: Path, shoot: Shoot) -> None:
    with Classifier.open(bundle, gallery=gallery) as classifier:
        rows = classifier.judge.snapshot.vectors
        classifier.realign(batch(shoot))
        assert np.array_equal(classifier.judge.snapshot.vectors, rows)


def test_a_class_enrolled_since_is_seen_as_its_questions_are(bundle: Path, gallery: Path, shoot: Shoot) -> None:
    with Classifier.open(bundle, gallery=gallery) as classifier:
        classifier.realign(batch(shoot))
        classifier.enroll("checks", shoot("checks", 5))
        snapshot = classifier.judge.snapshot
        own = snapshot.rows[snapshot.classes == snapshot.labels.index("checks"), 0]
        assert np.allclose(own, classifier.embed(shoot("checks", 5)), atol=1e-6)
        found = [decision.nearest for decision in classifier.predict(shoot("checks", 8, first=300))]
        assert found == ["checks"] * 8
    with Classifier.open(bundle, gallery=gallery) as again:
        assert np.array_equal(again.judge.snapshot.vectors, snapshot.vectors)


def test_checking_a_class_sees_it_as_enrolling_would(bundle: Path, gallery: Path, shoot: Shoot) -> None:
    with Classifier.open(bundle, gallery=gallery) as classifier:
        classifier.realign(batch(shoot))
        assert classifier.check("spots", shoot("dots", 5)).nearest == "dots"
        with pytest.raises(GalleryError, match="dots"):
            classifier.enroll("spots", shoot("dots", 5, first=50))


def test_rows_keep_the_alignment_of_their_time(bundle: Path, gallery: Path, shoot: Shoot) -> None:
    with Classifier.open(bundle, gallery=gallery) as classifier:
        classifier.realign(batch(shoot))
        classifier.enroll("checks", shoot("checks", 5))
        first = classifier.judge.snapshot.vectors
        classifier.realign(batch(shoot, contrast=1.0, noise=14))
        assert holds(classifier, first)
        classifier.enroll("checks", shoot("checks", 3, first=150, contrast=1.0, noise=14))
        assert holds(classifier, first)
        (_, older), (_, newer) = classifier.judge.snapshot.alignments
        assert older.digest != newer.digest
        classifier.undo()
        classifier.undo()
        assert [alignment.digest for _, alignment in classifier.judge.snapshot.alignments] == [older.digest]
        classifier.forget("checks")
        classifier.undo()  # brings the rows back under new numbers
        assert holds(classifier, first)


def test_an_alignment_stays_on_its_device_and_its_rows_stay_right(bundle: Path, tmp_path: Path, shoot: Shoot) -> None:
    asked = questions(shoot)
    for name in "ab":
        with Classifier.open(bundle, gallery=tmp_path / name) as classifier:
            if name == "a":
                classifier.realign(batch(shoot))
            classifier.enroll("checks", shoot("checks", 4, first=100 if name == "a" else 200))
            before = said(classifier.predict(asked)) if name == "b" else []
            if name == "a":
                own = classifier.judge.snapshot
    with Classifier.open(bundle, gallery=tmp_path / "b") as classifier:
        assert classifier.merge(tmp_path / "a").rows == 2
        merged = classifier.judge.snapshot
        assert merged.alignments == ()
        assert unknown(classifier.predict(asked)) > 0.5 * float(np.mean([label is None for _, label, _ in before]))
        assert classifier.gallery.check() == []
        assert holds(classifier, own.vectors)  # the rows of the other device as that device has them
    with Classifier.open(bundle, gallery=tmp_path / "a") as classifier:
        classifier.merge(tmp_path / "b")
        there = classifier.judge.snapshot
        assert [alignment.digest for _, alignment in there.alignments] == [own.alignments[0][1].digest]
        assert holds(classifier, merged.vectors)


def test_the_undoing_of_another_device_reaches_what_was_merged(bundle: Path, tmp_path: Path, shoot: Shoot) -> None:
    with Classifier.open(bundle, gallery=tmp_path / "a") as a:
        a.realign(batch(shoot))
        a.enroll("checks", shoot("checks", 4))
    with Classifier.open(bundle, gallery=tmp_path / "b") as b:
        b.merge(tmp_path / "a")
        assert "checks" in b.judge.snapshot.labels
    with Classifier.open(bundle, gallery=tmp_path / "a") as a:
        a.undo()
        a.undo()
    with Classifier.open(bundle, gallery=tmp_path / "b") as b:
        b.merge(tmp_path / "a")
        assert "checks" not in b.judge.snapshot.labels
        assert b.gallery.check() == []


READ = """
import sys
from edgefs_runtime import Classifier
with Classifier.open(sys.argv[1], gallery=sys.argv[2]) as classifier:
    for decision in classifier.predict(sys.argv[3:]):
        print(decision.verdict, decision.label, decision.p_value)
"""
KILLED = """
import os, signal, sys
from edgefs_runtime import Classifier
classifier = Classifier.open(sys.argv[1], gallery=sys.argv[2])
classifier.realign(sys.argv[3:])
os.kill(os.getpid(), signal.SIGKILL)
"""


def python(code: str, *arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", code, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)


def test_another_process_reads_it_while_the_owner_lives(bundle: Path, gallery: Path, shoot: Shoot) -> None:
    asked = questions(shoot)[::4]
    with Classifier.open(bundle, gallery=gallery) as classifier:
        classifier.realign(batch(shoot))
        mine = said(classifier.predict(asked))
        run = python(READ, bundle, gallery, *asked)
    assert run.stdout.splitlines() == [" ".join(map(str, one)) for one in mine], run.stderr


def test_it_outlives_a_kill(bundle: Path, gallery: Path, shoot: Shoot) -> None:
    run = python(KILLED, bundle, gallery, *batch(shoot))
    assert run.returncode == -signal.SIGKILL, run.stderr
    with Classifier.open(bundle, gallery=gallery) as classifier:
        assert len(classifier.judge.snapshot.alignments) == 1
        assert unknown(classifier.predict(questions(shoot))) < 0.5
        assert classifier.gallery.check() == []


def test_bad_input_is_one_line_and_leaves_nothing(
    bundle: Path, gallery: Path, shoot: Shoot, tmp_path: Path, pictures: Shoot
) -> None:
    broken = tmp_path / "broken.png"
    broken.write_bytes(b"no image")
    bad = {
        "no image was given": [],
        "2 images given, and none can be read": [broken, tmp_path / "gone.png"],
        "9 images that differ can't tell": shoot("dots", 9),
        "1 image that differs can't tell": shoot("dots", 1) * 50,
        "the camera as it was when the gallery was taught": pictures("good", 30),
        "nearly all images show one thing": shoot("checks", 40, contrast=1.0),
    }
    for message, images in bad.items():
        with Classifier.open(bundle, gallery=gallery) as classifier:
            with pytest.raises(GalleryError, match=message) as raised:
                classifier.realign(images)
            assert "\n" not in str(raised.value)
        assert not gallery.exists()


def test_unreadable_images_among_others_are_counted(bundle: Path, gallery: Path, shoot: Shoot, tmp_path: Path) -> None:
    (tmp_path / "broken.png").write_bytes(b"no image")
    with Classifier.open(bundle, gallery=gallery) as classifier:
        realigned = classifier.realign([tmp_path / "broken.png", *batch(shoot)])
    assert (realigned.images, realigned.passed_over) == (42, 1)


def test_checking_writes_nothing_and_says_the_same(bundle: Path, gallery: Path, shoot: Shoot) -> None:
    with Classifier.open(bundle, gallery=gallery) as classifier:
        checked = classifier.check_realign(batch(shoot))
        assert not gallery.exists()
        done = classifier.realign(batch(shoot))
    assert {**checked.to_json(), "gallery": 1} == done.to_json()


def test_a_doubtful_batch_is_absorbed_only_by_force(bundle: Path, gallery: Path, shoot: Shoot) -> None:
    strangers = shoot("checks", 40, contrast=1.0)
    with Classifier.open(bundle, gallery=gallery) as classifier:
        with pytest.raises(GalleryError, match="nothing was changed: give more or other images, or pass --force"):
            classifier.realign(strangers)
        assert classifier.realign(strangers, force=True).doubt


def test_the_camera_that_comes_back_ends_the_alignment(
    bundle: Path, gallery: Path, shoot: Shoot, pictures: Shoot
) -> None:
    asked = pictures("dots", 8, first=300)
    with Classifier.open(bundle, gallery=gallery) as classifier:
        before = said(classifier.predict(asked))
        classifier.realign(batch(shoot, contrast=0.7, noise=14))
        with pytest.raises(GalleryError, match="the camera as it was aligned last"):
            classifier.realign(batch(shoot, contrast=0.7, noise=14))
        assert classifier.realign([*pictures("good", 38), *pictures("dots", 2)], force=True).kind == "none"
        assert said(classifier.predict(asked)) == before


def test_old_challenge_parts_do_not_stop_it_and_go_on_guarding(
    bundle: Path, gallery: Path, shoot: Shoot, pictures: Shoot
) -> None:
    with Classifier.open(bundle, gallery=gallery) as classifier:
        classifier.challenge.add(pictures("checks", 2, first=300), "NG", classifier.judge)
        classifier.realign(batch(shoot, contrast=1.0, noise=14))
        assert all(result.passes for result in classifier.challenge.run(classifier.judge))
        with pytest.raises(GalleryError, match=r"challenge parts checks-300\.png"):
            classifier.enroll("checks", shoot("checks", 5, first=300, contrast=1.0, noise=14), disposition="ok")


def test_a_retaken_part_stops_what_would_spoil_it(bundle: Path, gallery: Path, shoot: Shoot) -> None:
    """A part that is judged rightly as it is, and would not be through the alignment that strangers ask for."""
    strangers = shoot("checks", 40, contrast=1.0)
    retaken = shoot("dots", 3, first=300, contrast=1.0)
    with Classifier.open(bundle, gallery=gallery) as classifier:
        added = classifier.challenge.add(retaken, "NG", classifier.judge, label="dots", retaken=True)
        passing = [one for one in added if one.result.passes]
        assert passing
        # Doubtful as well: force overrides both, so what the parts would get is asked of the check.
        checked = classifier.check_realign(strangers)
        assert len(checked.challenge) == len(passing)
        classifier.realign(strangers, force=True)
        assert not any(result.passes for result in classifier.challenge.judged(classifier.judge))
        classifier.undo()
        assert sum(result.passes for result in classifier.challenge.judged(classifier.judge)) == len(passing)


def test_a_retaken_part_that_fails_before_and_passes_after_guards_from_then_on(
    bundle: Path, gallery: Path, shoot: Shoot
) -> None:
    with Classifier.open(bundle, gallery=gallery) as classifier:
        for place, kind in enumerate(KNOWN):
            parts = questions(shoot)[8 * place : 8 * place + 8]
            verdict = "NG" if place else "OK"
            classifier.challenge.add(parts, verdict, classifier.judge, label=kind, retaken=True)
        before = sum(result.passes for result in classifier.challenge.judged(classifier.judge))
        classifier.realign(batch(shoot))
        results = classifier.challenge.judged(classifier.judge)
        assert sum(result.passes for result in results) > before
        index = json.loads((classifier.challenge.folder / "parts.json").read_bytes())
        assert [part["passed"] for part in index["parts"]] == [result.passes for result in results]


def test_a_part_that_is_kept_already_keeps_its_camera_unless_it_was_retaken(
    bundle: Path, gallery: Path, shoot: Shoot, pictures: Shoot
) -> None:
    (part,) = pictures("dots", 1)
    with Classifier.open(bundle, gallery=gallery) as classifier:
        challenge = classifier.challenge
        challenge.add([part], "NG", classifier.judge)
        classifier.realign(batch(shoot))
        assert [one.status for one in challenge.add([part], "NG", classifier.judge)] == ["same"]
        assert [one.camera for one in challenge.parts()] == [0]
        assert [one.status for one in challenge.add([part], "NG", classifier.judge, retaken=True)] == ["replaced"]
        assert [one.camera for one in challenge.parts()] == [classifier.judge.snapshot.camera + 1]
        assert challenge.parts()[0].sha256 == content_digest(part)
