"""A head that was trained on the workstation: when it decides, when it does not, and what is refused."""

from __future__ import annotations

import dataclasses
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from heads import ONNX, TINY, TURNED, model, seed_of, with_head, written

from edgefs_runtime import Bundle, BundleError, Classifier
from edgefs_runtime.decision.heads import TrainedHead, TrainedHeadModel
from edgefs_runtime.decision.heads.trained import as_scores
from edgefs_runtime.decision.judge import Judge
from edgefs_runtime.decision.settings import DecisionSettings
from edgefs_runtime.decision.snapshot import build_snapshot
from edgefs_runtime.verify import verify

pytestmark = pytest.mark.device

Pictures = Callable[..., list[Path]]


@pytest.fixture
def turned(tmp_path: Path) -> Path:
    """A bundle whose trained head calls dots good: so it is plain who decides."""
    return with_head(tmp_path / "turned.edgefs", model(TURNED))


def nearest(classifier: Classifier, images: list[Path]) -> set[str | None]:
    return {decision.nearest for decision in classifier.predict(images)}


def test_it_decides_and_the_gallery_says_how_strange_a_part_is(tmp_path: Path, pictures: Pictures) -> None:
    bundle = with_head(tmp_path / "h.edgefs", model())
    images = [*pictures("dots", 3), *pictures("good", 3), *pictures("checks", 3)]
    with Classifier.open(bundle, seed_only=True) as one, Classifier.open(TINY, seed_only=True) as other:
        assert (one.judge.head, one.judge.is_trained, other.judge.head) == ("linear", True, "blend")
        rows = one.embed(images)
        head = TrainedHead(model(), seed_of(one.bundle))
        powers = np.exp(head.scores(rows) / 0.1)
        for row, (found, expected) in enumerate(zip(one.judge.decide(rows), other.judge.decide(rows), strict=True)):
            assert found.probability == pytest.approx(float(powers[row].max() / powers[row].sum()), rel=1e-5)
            if found.nearest == expected.nearest:
                assert (found.p_value, found.strangeness) == (expected.p_value, expected.strangeness)
        assert nearest(one, pictures("dots", 3)) == {"dots"}
        assert {decision.label for decision in one.predict(pictures("checks", 3))} == {None}


def test_labels_may_stand_in_any_order(tmp_path: Path, pictures: Pictures) -> None:
    with Classifier.open(with_head(tmp_path / "t.edgefs", model(TURNED)), seed_only=True) as classifier:
        assert nearest(classifier, pictures("dots", 3)) == {"good"}
        assert nearest(classifier, pictures("good", 3)) == {"stripes"}


def test_the_first_enroll_brings_the_gallerys_head_and_undo_the_trained_one(turned: Path, pictures: Pictures) -> None:
    dots = pictures("dots", 2)
    with Classifier.open(turned) as classifier:
        assert nearest(classifier, dots) == {"good"}
        taught = classifier.enroll("checks", pictures("checks", 5))
        assert "The trained head linear knows only the images it was exported with" in taught.head_note
        assert "blend decides" in taught.head_note
        assert nearest(classifier, dots) == {"dots"}
        assert classifier.enroll("checks", pictures("checks", 1, first=200)).head_note == ""
        classifier.undo()
        assert (classifier.head_note, nearest(classifier, dots)) == ("", {"dots"})
    with Classifier.open(turned) as again:
        assert (again.judge.is_trained, nearest(again, dots)) == (False, {"dots"})
        again.undo()
        assert again.head_note == "The gallery is as it was exported: the trained head linear decides again."
        assert nearest(again, dots) == {"good"}
    with Classifier.open(turned) as last:
        assert last.judge.is_trained


def test_more_images_of_a_known_class_are_rows_it_does_not_know(turned: Path, pictures: Pictures) -> None:
    with Classifier.open(turned) as classifier:
        assert classifier.enroll("dots", pictures("dots", 1), force=True).head_note
        assert not classifier.judge.is_trained


def test_a_class_forgotten_and_brought_back(turned: Path, pictures: Pictures) -> None:
    with Classifier.open(turned) as classifier:
        classifier.forget("stripes")
        assert "blend decides" in classifier.head_note
        assert nearest(classifier, pictures("dots", 2)) == {"dots"}
        classifier.undo()
        assert "decides again" in classifier.head_note
        assert nearest(classifier, pictures("dots", 2)) == {"good"}


def test_a_merge_that_brings_rows_and_one_that_brings_none(turned: Path, pictures: Pictures, tmp_path: Path) -> None:
    with Classifier.open(turned, gallery=tmp_path / "other.gallery") as other:
        other.enroll("checks", pictures("checks", 5))
    shutil.copy(tmp_path / "other.gallery", tmp_path / "copy.gallery")
    with Classifier.open(turned, gallery=tmp_path / "other.gallery") as other:
        other.undo()
    with Classifier.open(turned, gallery=tmp_path / "own.gallery") as classifier:
        classifier.merge(tmp_path / "other.gallery")
        assert (classifier.head_note, classifier.judge.is_trained) == ("", True)
    with Classifier.open(turned, gallery=tmp_path / "new.gallery") as classifier:
        classifier.merge(tmp_path / "copy.gallery")
        assert "blend decides" in classifier.head_note
        assert not classifier.judge.is_trained


def test_what_an_enrolment_would_do_is_said_of_the_head_that_will_decide(turned: Path, pictures: Pictures) -> None:
    with Classifier.open(turned) as classifier, Classifier.open(TINY) as plain:
        checks = pictures("checks", 5)
        found, expected = classifier.check("checks", checks), plain.check("checks", checks)
        assert (found.right, found.curve) == (expected.right, expected.curve)


def test_a_challenge_part_sees_the_change_of_heads(turned: Path, pictures: Pictures) -> None:
    with Classifier.open(turned) as classifier:
        classifier.challenge.add(pictures("dots", 1), "OK", classifier.judge)
        advice = classifier.check("checks", pictures("checks", 5))
        assert len(advice.challenge) == 1  # good by the trained head, dots by the gallery's


def test_the_self_test_is_by_the_trained_head(tmp_path: Path) -> None:
    assert verify(with_head(tmp_path / "h.edgefs", model())).inputs == 4
    with zipfile.ZipFile(with_head(tmp_path / "a.edgefs", model(TURNED))) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    with pytest.raises(BundleError, match="self-test fails: input"):
        verify(written(tmp_path / "b.edgefs", members, model().to_json()))


def test_an_operating_point_is_read_off_the_gallerys_scores() -> None:
    """Left out, a row has scores of the gallery's head alone, on another scale than the trained one's."""
    seed = seed_of(Bundle.open(TINY))
    settings = DecisionSettings(overkill=0.3, escape_cost=5.0)
    trained = TrainedHead(model(temperature=1e-3), seed)
    assert Judge(seed, settings, trained=trained).overkill_left == Judge(seed, settings).overkill_left


def test_a_forest_says_how_near_two_answers_may_be() -> None:
    seed = seed_of(Bundle.open(TINY))
    forest = TrainedHeadModel(ONNX.read_bytes(), "random-forest", seed.labels, 1.0, safe_margin=0.02)
    assert TrainedHeadModel.from_json(forest.to_json(), forest.onnx) == forest
    assert Judge(seed, DecisionSettings(), trained=TrainedHead(forest, seed)).safe_margin == 0.02
    assert Judge(seed, DecisionSettings()).safe_margin == 1e-3


def test_no_class_is_impossible_to_a_forest() -> None:
    scores = as_scores(np.array([[1.0, 0.0]], np.float32), "probabilities")
    assert np.isfinite(scores).all()
    assert scores[0, 0] == 0


FAULTS: dict[str, tuple[Callable[[Path], Path], str]] = {
    "not a model": (lambda out: with_head(out, model(), onnx=b"no model"), "can't load head.onnx"),
    "fewer labels than outputs": (
        lambda out: with_head(out, model(), labels=["dots", "good"]),
        "tells dots, good apart; the seed gallery holds dots, good, stripes",
    ),
    "labels of others": (lambda out: with_head(out, model(), labels=["a", "b", "c"]), "tells a, b, c apart"),
    "a label twice": (lambda out: with_head(out, model(), labels=["dots", "dots", "good"]), "different classes"),
    "no temperature": (lambda out: with_head(out, model(), temperature=0.0), "head.temperature"),
    "text as temperature": (lambda out: with_head(out, model(), temperature="warm"), "wrong kind"),
    "an embedder": (
        lambda out: with_head(out, model(), onnx=Bundle.open(TINY).model),
        r"expected one input, float32 \[N,D\]",
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_head_that_does_not_fit_is_refused_in_one_line(fault: str, tmp_path: Path) -> None:
    make, said = FAULTS[fault]
    with pytest.raises(BundleError, match=said) as caught:
        Classifier.open(make(tmp_path / "bad.edgefs"))
    assert str(caught.value).startswith(str(tmp_path / "bad.edgefs"))
    assert "\n" not in str(caught.value)


def test_outputs_are_counted() -> None:
    bundle = Bundle.open(TINY)
    two = [enrolment for enrolment in bundle.seed_enrolments() if enrolment.label != "dots"]
    seed = build_snapshot(two, 0, bundle.manifest.preprocess.views)
    with pytest.raises(BundleError, match="3 outputs for 2 labels"):
        TrainedHead(model(seed.labels), seed)


def test_embeddings_of_another_length_are_refused() -> None:
    seed = seed_of(Bundle.open(TINY))
    shorter = dataclasses.replace(seed, held=seed.rows[:, :, :-1].reshape(len(seed.vectors), -1))
    with pytest.raises(BundleError, match=r"does not take embeddings of \d+ numbers"):
        TrainedHead(model(), shorter)


def test_a_head_that_is_named_but_missing_and_one_that_is_there_but_not_named(tmp_path: Path) -> None:
    with zipfile.ZipFile(TINY) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    with pytest.raises(BundleError, match=r"head\.onnx is missing, the manifest describes a trained head"):
        Bundle.open(written(tmp_path / "a.edgefs", dict(members), model().to_json()))
    with pytest.raises(BundleError, match=r"head\.onnx is not described by the manifest"):
        Bundle.open(written(tmp_path / "b.edgefs", {**members, "head.onnx": ONNX.read_bytes()}, {"kind": "lda"}))
