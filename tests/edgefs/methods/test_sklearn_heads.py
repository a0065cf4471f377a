"""`adapt --head svm|random-forest|logistic`: from a folder to a device and back."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

import pytest
from textures import save, write_set

pytest.importorskip("skl2onnx", reason="the workstation part is not installed")

from edgefs.methods import METHODS
from edgefs.methods.sklearn_classifiers import TRAINED_HEADS, Setting
from edgefs.pipelines.adapt import adapt
from edgefs.pipelines.evaluate import evaluate
from edgefs.pipelines.export import export
from edgefs.runs.run import Run
from edgefs.settings.adapt import AdaptSettings
from edgefs_runtime import Classifier
from edgefs_runtime.base.errors import DataError, RunError

KINDS = list(TRAINED_HEADS)


def settings(kind: str, **others: object) -> AdaptSettings:
    return AdaptSettings(backbone="tiny", name="parts", head=kind, **others)  # type: ignore[arg-type]


def test_the_method_offers_them_beside_the_gallerys() -> None:
    assert METHODS["features"].heads == ("blend", "lda", "linear", "prototype", "svm", "random-forest", "logistic")


@pytest.mark.parametrize("kind", KINDS)
def test_a_head_travels_from_a_run_to_a_device(kind: str, textures: Path, tmp_path: Path) -> None:
    run, measured = adapt(textures, tmp_path / "run", settings(kind, shots=5))
    assert run.record.head["kind"] == kind
    assert run.record.head["labels"] == ["dots", "good", "stripes"]
    assert run.record.decision.head == {"kind": "blend"}
    assert any(note.startswith(f"Head: {kind} with ") for note in run.record.notes)
    exported = export(tmp_path / "run", tmp_path / "parts.edgefs")
    assert exported.parity.flips == 0
    assert measured.test is not None
    assert exported.evaluation is not None
    by_torch, by_runtime = (evaluate(place, textures) for place in (tmp_path / "run", tmp_path / "parts.edgefs"))
    for one in (by_torch, by_runtime):
        assert one.evaluation.nearest.accuracy == exported.evaluation.nearest.accuracy
        assert one.evaluation.nearest.accuracy.value > 0.9
    with zipfile.ZipFile(tmp_path / "parts.edgefs") as archive:
        manifest = json.loads(archive.read("manifest.json"))
        assert archive.read("head.onnx") == (tmp_path / "run" / "head.onnx").read_bytes()
    assert (manifest["head"], manifest["fallback_head"]) == (run.record.head, {"kind": "blend"})
    with Classifier.open(tmp_path / "parts.edgefs", gallery=tmp_path / "g.gallery") as classifier:
        assert classifier.judge.head == kind
        classifier.enroll("checks", [save(tmp_path / "new", "checks", number) for number in range(5)])
        assert classifier.judge.head == "blend"
        asked = [save(tmp_path / "new", "checks", 50), save(tmp_path / "new", "dots", 50)]
        assert [decision.nearest for decision in classifier.predict(asked)] == ["checks", "dots"]
        classifier.undo()
        assert classifier.judge.head == kind


def test_the_same_data_and_seed_give_the_same_bytes(textures: Path, tmp_path: Path) -> None:
    for name in ("a", "b"):
        adapt(textures, tmp_path / name, settings("svm", shots=4))
        export(tmp_path / name, tmp_path / f"{name}.edgefs")
    assert (tmp_path / "a" / "head.onnx").read_bytes() == (tmp_path / "b" / "head.onnx").read_bytes()
    assert (tmp_path / "a.edgefs").read_bytes() == (tmp_path / "b.edgefs").read_bytes()


def test_without_a_test_set_the_head_is_fitted_again_on_each_fold(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two classes that are one, and a head that knows its images by heart: only one that has not seen them errs."""
    from sklearn.tree import DecisionTreeClassifier

    tree = Setting("one tree", lambda seed: DecisionTreeClassifier(random_state=seed))
    monkeypatch.setitem(TRAINED_HEADS, "random-forest", lambda: (tree,))
    for number in range(6):
        save(tmp_path / "data" / "ab"[number % 2], "good", number)
    _, measured = adapt(tmp_path / "data", tmp_path / "run", settings("random-forest"))
    assert measured.cross_validation is not None
    assert measured.cross_validation.evaluation.nearest.accuracy.value < 0.9


@pytest.mark.parametrize("kind", KINDS)
def test_one_part_of_each_class_takes_fixed_settings_and_says_so(kind: str, textures: Path, tmp_path: Path) -> None:
    run, _ = adapt(textures, tmp_path / "run", settings(kind, shots=1))
    (note,) = [note for note in run.record.notes if note.startswith("Head: ")]
    assert "unchosen" in note
    assert "every class has a single part" in note
    assert run.record.head["temperature"] == 1.0


def test_a_single_class_is_refused_before_anything_is_embedded(tmp_path: Path) -> None:
    data = write_set(tmp_path / "good-only", 6, ("good",))
    with pytest.raises(DataError, match="--head svm tells classes apart, and 'good' is the only one; use --head blend"):
        adapt(data, tmp_path / "run", settings("svm", good_only=True))
    assert not (tmp_path / "run").exists()


def test_two_classes_are_enough(tmp_path: Path) -> None:
    data = write_set(tmp_path / "two", 10, ("good", "dots"))
    adapt(data, tmp_path / "run", settings("svm", shots=4))
    exported = export(tmp_path / "run", tmp_path / "two.edgefs")
    assert exported.evaluation is not None
    assert exported.evaluation.nearest.accuracy.value > 0.9


def test_a_run_whose_head_was_changed_or_is_gone_is_refused(textures: Path, tmp_path: Path) -> None:
    adapt(textures, tmp_path / "run", settings("logistic", shots=3))
    path = tmp_path / "run" / "head.onnx"
    data = path.read_bytes()
    path.write_bytes(data[:-1])
    with pytest.raises(RunError, match=r"head\.onnx is not the one"):
        Run.open(tmp_path / "run")
    path.unlink()
    with pytest.raises(RunError, match=r"head\.onnx is missing"):
        Run.open(tmp_path / "run")
