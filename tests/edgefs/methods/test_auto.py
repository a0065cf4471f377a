"""`adapt --method auto`: compares on the same folds, explains itself, and keeps to its budget."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from textures import save, write_set

from edgefs.pipelines.adapt import adapt
from edgefs.pipelines.export import export
from edgefs.settings.adapt import AdaptSettings
from edgefs_runtime import Bundle

QUICK = AdaptSettings(method="auto", backbone="tiny", shots=5, epochs=2, dim=32)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return write_set(tmp_path / "textures", 8)


def test_every_way_is_compared_and_the_choice_is_explained(data: Path, tmp_path: Path) -> None:
    run, measured = adapt(data, tmp_path / "run", QUICK)
    explained = next(note for note in run.record.notes if note.startswith("Chosen: "))
    for head in ("blend", "lda", "linear", "prototype", "svm"):
        assert f"features + {head}: " in explained
    assert "finetune: " in explained
    report = (tmp_path / "run" / "report.html").read_text(encoding="utf-8")
    assert "chosen by auto" in report
    assert "finetune" in report
    assert run.record.method == "features"  # it places all of them, and the others can only be as good
    assert explained.startswith("Chosen: features + blend; no other is clearly better on the 15 images learned from")
    assert any(note.startswith("Feature extraction fits where") for note in run.record.notes)
    assert measured.test is not None
    assert measured.test.evaluation.nearest.accuracy.value > 0.8
    export(tmp_path / "run", tmp_path / "b.edgefs")
    assert Bundle.open(tmp_path / "b.edgefs").manifest.raw["method"] == "features"


def test_what_the_budget_does_not_allow_is_left_out_and_said(data: Path, tmp_path: Path) -> None:
    run, _ = adapt(data, tmp_path / "run", replace(QUICK, time_budget=1e-6))
    assert run.record.method == "features"
    assert any("--time-budget" in note for note in run.record.notes)


def test_with_one_part_of_each_class_nothing_is_compared(tmp_path: Path) -> None:
    data = tmp_path / "one"
    for kind in ("good", "stripes"):
        save(data / kind, kind, 0)
    run, _ = adapt(data, tmp_path / "run", replace(QUICK, shots=None))
    assert run.record.method == "features"
    assert any("nothing can be compared" in note for note in run.record.notes)
