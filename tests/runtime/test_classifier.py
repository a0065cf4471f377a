"""The classifier: deciding, teaching, and what it refuses."""

from __future__ import annotations

import hashlib
import io
import json
import os
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from bundles import remade
from PIL import Image
from textures import draw

import edgefs_runtime
from edgefs_runtime import BundleError, Classifier, GalleryError, ImageError
from edgefs_runtime.base.state import gallery_path
from edgefs_runtime.verify import verify

pytestmark = pytest.mark.device

Pictures = Callable[..., list[Path]]


def labels(decisions: list) -> list:
    return [decision.nearest for decision in decisions]


def test_known_classes_are_told_apart_with_verdicts(bundle: Path, pictures: Pictures) -> None:
    with Classifier.open(bundle) as classifier:
        for kind, verdict in (("good", "OK"), ("stripes", "NG"), ("dots", "NG")):
            decisions = classifier.predict(pictures(kind, 10))
            assert labels(decisions) == [kind] * 10
            accepted = [decision for decision in decisions if decision.label is not None]
            assert len(accepted) >= 8
            assert {decision.verdict for decision in accepted} == {verdict}
            assert {decision.disposition for decision in accepted} == {"ok" if verdict == "OK" else "defect"}


def test_a_decision_says_where_it_came_from(bundle: Path, pictures: Pictures) -> None:
    with Classifier.open(bundle) as classifier:
        (decision,) = classifier.predict(pictures("dots", 1), part_ids=["part-7"])
    assert decision.part_id == "part-7"
    assert decision.bundle == edgefs_runtime.Bundle.open(bundle).digest
    assert decision.gallery == 0
    assert decision.p_rule == "conformal"
    assert decision.ranking[0][0] == decision.nearest
    assert sum(probability for _, probability in decision.ranking) == pytest.approx(1)
    assert decision.margin == pytest.approx(decision.ranking[0][1] - decision.ranking[1][1])
    json.dumps(decision.to_json(), allow_nan=False)


def test_every_kind_of_source_gives_the_same_answer(bundle: Path, pictures: Pictures) -> None:
    (path,) = pictures("stripes", 1)
    pixels = np.asarray(Image.open(path))
    with Classifier.open(bundle) as classifier:
        decisions = classifier.predict([path, str(path), path.read_bytes(), Image.open(path), pixels])
    assert len({(decision.nearest, decision.score, decision.p_value) for decision in decisions}) == 1


def test_a_class_nobody_taught_is_refused_and_then_learned(bundle: Path, pictures: Pictures) -> None:
    asked = pictures("checks", 20, first=200)
    with Classifier.open(bundle) as classifier:
        before = classifier.predict(asked)
        assert [decision.label for decision in before].count(None) >= 18
        assert {decision.verdict for decision in before if decision.label is None} == {"NG"}
        assert all("unknown" in decision.reason for decision in before if decision.label is None)
        taught = classifier.enroll("checks", pictures("checks", 5))
        assert (taught.images, taught.total, taught.is_new, taught.disposition) == (5, 5, True, "defect")
        after = classifier.predict(asked)
        assert labels(after) == ["checks"] * 20
        assert [decision.label for decision in after].count(None) <= 4
        assert after[0].gallery == 1
        assert labels(classifier.predict(pictures("dots", 10))) == ["dots"] * 10


def test_what_was_taught_is_there_when_opened_again(bundle: Path, pictures: Pictures) -> None:
    with Classifier.open(bundle) as classifier:
        classifier.enroll("checks", pictures("checks", 5))
        assert classifier.gallery_path == gallery_path("textures")
    with Classifier.open(bundle) as classifier:
        assert labels(classifier.predict(pictures("checks", 3, first=300))) == ["checks"] * 3


def test_undo_restores_decisions_to_the_bit(bundle: Path, pictures: Pictures) -> None:
    asked = [path for kind in ("good", "dots", "checks") for path in pictures(kind, 4)]
    with Classifier.open(bundle) as classifier:
        before = [(d.label, d.score, d.probability, d.p_value) for d in classifier.predict(asked)]
        classifier.enroll("checks", pictures("checks", 5, first=200))
        assert "took back" in classifier.undo()
        after = [(d.label, d.score, d.probability, d.p_value) for d in classifier.predict(asked)]
    assert after == before


def test_forget_removes_only_that_label_and_undo_brings_it_back(bundle: Path, pictures: Pictures) -> None:
    with Classifier.open(bundle) as classifier:
        assert classifier.forget("stripes") == 8
        assert set(classifier.judge.snapshot.labels) == {"dots", "good"}
        assert labels(classifier.predict(pictures("dots", 3))) == ["dots"] * 3
        classifier.undo()
        assert set(classifier.judge.snapshot.labels) == {"dots", "good", "stripes"}


def test_a_gallery_without_any_class_says_so_and_can_be_taught_again(bundle: Path, pictures: Pictures) -> None:
    with Classifier.open(bundle) as classifier:
        for label in ("dots", "good", "stripes"):
            classifier.forget(label)
        with pytest.raises(GalleryError, match="holds no class"):
            classifier.predict(pictures("dots", 1))
        classifier.enroll("good", pictures("good", 5))
        (decision,) = classifier.predict(pictures("good", 1, first=300))
        assert (decision.nearest, decision.verdict) == ("good", "OK")


def test_dispositions_come_from_the_call_the_class_or_the_name(bundle: Path, pictures: Pictures) -> None:
    with Classifier.open(bundle) as classifier:
        assert classifier.enroll("variant B", pictures("checks", 3), disposition="ok").disposition == "ok"
        assert classifier.enroll("variant B", pictures("checks", 2, first=300)).disposition == "ok"
        assert classifier.enroll("normal", pictures("dots", 3), force=True).disposition == "ok"
        with pytest.raises(GalleryError, match="is 'bad'; expected 'ok' or 'defect'"):
            classifier.enroll("burr", pictures("dots", 1), disposition="bad", force=True)  # type: ignore[arg-type]
        accepted = classifier.predict(pictures("checks", 8, first=400))
        assert {decision.verdict for decision in accepted if decision.label == "variant B"} == {"OK"}


def test_deciding_writes_nothing(bundle: Path, pictures: Pictures, own_folders: Path) -> None:
    with Classifier.open(bundle) as classifier:
        classifier.predict(pictures("dots", 1))
    assert not gallery_path("textures").exists()
    written = [path.parent.name for path in own_folders.rglob("*") if path.is_file()]
    assert written == ["passed"]  # the note that the self-test has been passed


def test_the_self_test_runs_once(bundle: Path, own_folders: Path) -> None:
    Classifier.open(bundle).close()
    (note,) = (own_folders / "state" / "passed").iterdir()
    os.utime(note, (1, 1))
    Classifier.open(bundle).close()
    assert note.stat().st_mtime == 1
    note.unlink()
    Classifier.open(bundle).close()
    assert note.exists()


def test_frames_that_show_nothing_get_no_decision(bundle: Path) -> None:
    frames = [np.zeros((48, 48, 3), np.uint8), np.full((48, 48), 255, np.uint8), draw("dots", 500)]
    with Classifier.open(bundle) as classifier:
        black, white, dots = classifier.predict(frames)
    for decision in (black, white):
        assert (decision.verdict, decision.label, decision.nearest) == ("NO_DECISION", None, None)
        assert "constant frame" in decision.reason
    assert dots.nearest == "dots"


def test_an_unreadable_image_is_an_error_and_the_others_go_on(bundle: Path, pictures: Pictures) -> None:
    good, bad = pictures("dots", 2)
    bad.write_bytes(b"no image")
    with Classifier.open(bundle) as classifier:
        answers = list(classifier.predict_each([bad, good]))
        assert isinstance(answers[0], ImageError)
        assert answers[1].nearest == "dots"
        with pytest.raises(ImageError, match="not an image"):
            classifier.predict([good, bad])


@pytest.mark.parametrize("label", ["", "  ", "unknown", "Unknown", "two\nlines", "x" * 201, "two\tcells"])
def test_a_label_that_cannot_name_a_class_is_refused(bundle: Path, pictures: Pictures, label: str) -> None:
    with Classifier.open(bundle) as classifier, pytest.raises(GalleryError):
        classifier.enroll(label, pictures("checks", 2))
    assert not gallery_path("textures").exists()


def test_enrolling_nothing_or_a_frame_that_shows_nothing_is_refused(bundle: Path, pictures: Pictures) -> None:
    black = np.zeros((48, 48, 3), np.uint8)
    with Classifier.open(bundle) as classifier:
        with pytest.raises(GalleryError, match="no image"):
            classifier.enroll("checks", [])
        with pytest.raises(ImageError, match=r"constant frame.*nothing was enrolled"):
            classifier.enroll("checks", [*pictures("checks", 2), black])
        with pytest.raises(ImageError, match=r"gone\.png: no such file; nothing was enrolled"):
            classifier.enroll("checks", ["gone.png"])
    assert not gallery_path("textures").exists()


def test_what_the_network_is_shown_is_kept_when_asked_bit_by_bit_and_free_of_metadata(
    bundle: Path, pictures: Pictures
) -> None:
    shots = pictures("checks", 2)
    with Classifier.open(bundle) as classifier:
        classifier.enroll("checks", shots, keep_images=True)
        classifier.enroll("checks", pictures("checks", 2, first=300))
        kept = classifier.gallery.thumbnails("checks")
        shown = [classifier.bundle.manifest.preprocess(shot) for shot in shots]
    for data, pixels in zip(kept, shown, strict=True):
        with Image.open(io.BytesIO(data)) as picture:
            assert (picture.format, list(picture.info)) == ("PNG", ["edgefs"])
            np.testing.assert_array_equal(np.asarray(picture.convert("RGB")), pixels)


def test_shots_of_one_part_count_as_one(bundle: Path, pictures: Pictures) -> None:
    with Classifier.open(bundle) as classifier:
        classifier.enroll("checks", pictures("checks", 4), groups=["p1", "p1", "p2", ""])
        snapshot = classifier.judge.snapshot
        own = snapshot.parts[snapshot.classes == snapshot.labels.index("checks")]
    assert len(set(own.tolist())) == 3


def test_a_second_owner_is_refused_and_a_reader_is_not(bundle: Path, pictures: Pictures) -> None:
    with Classifier.open(bundle, share=False) as owner, Classifier.open(bundle, wait=0) as other:
        owner.enroll("checks", pictures("checks", 5))
        with pytest.raises(GalleryError, match="owned by this process"):
            other.enroll("more", pictures("checks", 1))
        assert "checks" not in other.judge.snapshot.labels
        other.refresh()
        assert "checks" in other.judge.snapshot.labels


def test_predicting_while_another_thread_teaches(bundle: Path, pictures: Pictures) -> None:
    pixels, shots = draw("dots", 7), pictures("checks", 3)
    failures: list[BaseException] = []
    with Classifier.open(bundle) as classifier:
        stop = threading.Event()

        def ask() -> None:
            try:
                while not stop.is_set():
                    assert classifier.predict([pixels])[0].nearest == "dots"
            except BaseException as error:
                failures.append(error)

        threads = [threading.Thread(target=ask) for _ in range(2)]
        for thread in threads:
            thread.start()
        for _ in range(10):
            classifier.enroll("checks", shots)
            classifier.undo()
        stop.set()
        for thread in threads:
            thread.join()
    assert not failures


def test_seed_only_can_decide_and_cannot_be_taught(bundle: Path, pictures: Pictures) -> None:
    with Classifier.open(bundle) as classifier:
        classifier.enroll("checks", pictures("checks", 3))
    with Classifier.open(bundle, seed_only=True) as classifier:
        assert "checks" not in classifier.judge.snapshot.labels
        with pytest.raises(GalleryError, match="seed alone"):
            classifier.enroll("checks", pictures("checks", 1))


def test_a_gallery_of_another_space_is_refused_and_left_alone(bundle: Path, pictures: Pictures, tmp_path: Path) -> None:
    preprocess = {
        **json.loads(json.dumps(Classifier.open(bundle).bundle.manifest.raw["preprocess"])),
        "channels": "mono",
    }
    other = remade(bundle, tmp_path / "other.edgefs", preprocess=preprocess)
    with Classifier.open(bundle) as classifier:
        classifier.enroll("checks", pictures("checks", 3))
    before = hashlib.sha256(gallery_path("textures").read_bytes()).hexdigest()
    with pytest.raises(GalleryError, match="embeddings of space"):
        Classifier.open(other)
    assert hashlib.sha256(gallery_path("textures").read_bytes()).hexdigest() == before


def test_a_gallery_of_a_newer_schema_is_refused_and_left_alone(bundle: Path, pictures: Pictures) -> None:
    with Classifier.open(bundle) as classifier:
        classifier.enroll("checks", pictures("checks", 3))
    path = gallery_path("textures")
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA user_version = 99")
    connection.close()
    before = path.read_bytes()
    with pytest.raises(GalleryError, match="schema 99"):
        Classifier.open(bundle)
    assert path.read_bytes() == before


def test_a_new_bundle_of_the_same_space_keeps_what_was_taught(bundle: Path, pictures: Pictures, tmp_path: Path) -> None:
    with Classifier.open(bundle) as classifier:
        classifier.enroll("checks", pictures("checks", 5))
    newer = remade(bundle, tmp_path / "newer.edgefs", version="2")
    with Classifier.open(newer) as classifier:
        assert labels(classifier.predict(pictures("checks", 2, first=300))) == ["checks"] * 2
        assert classifier.judge.snapshot.counts == {"checks": 5, "dots": 8, "good": 8, "stripes": 8}


def test_unknown_parts_are_rechecked_where_the_bundle_says_so(bundle: Path, pictures: Pictures, tmp_path: Path) -> None:
    other = remade(bundle, tmp_path / "r.edgefs", decision={"budget": 0.05, "unknown": "RECHECK"})
    with Classifier.open(other) as classifier:
        decisions = classifier.predict(pictures("checks", 10))
    assert {decision.verdict for decision in decisions if decision.label is None} == {"RECHECK"}


def test_a_head_that_this_runtime_does_not_know_is_refused(bundle: Path, tmp_path: Path) -> None:
    other = remade(bundle, tmp_path / "h.edgefs", head={"kind": "oracle"})
    with pytest.raises(BundleError, match="'oracle' is not known"):
        Classifier.open(other)


def test_verify_runs_the_self_test(bundle: Path) -> None:
    verified = verify(bundle)
    assert verified.inputs == 4
    assert verified.worst <= 1e-4


def test_all_is_what_the_package_shows() -> None:
    import types

    assert all(hasattr(edgefs_runtime, name) for name in edgefs_runtime.__all__)  # each is loaded when asked for
    shown = {
        name
        for name, value in vars(edgefs_runtime).items()
        if not name.startswith("_") and not isinstance(value, types.ModuleType)
    }
    assert shown | {"__version__"} == set(edgefs_runtime.__all__)


def test_the_public_names_are_seen_before_they_are_loaded() -> None:
    code = "import sys, edgefs_runtime; print(*dir(edgefs_runtime), 'edgefs_runtime.classifier' in sys.modules)"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    *names, is_loaded = run.stdout.split()
    assert set(edgefs_runtime.__all__) <= set(names)
    assert is_loaded == "False"
