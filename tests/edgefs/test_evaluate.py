"""`evaluate`: the same figures before and after export, and nothing counted that was learned from."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from textures import save, write_set

from edgefs.adapting import adapt
from edgefs.evaluating import evaluate, evaluate_episodes
from edgefs.evaluation.episodes import EpisodePlan
from edgefs.exporting import export
from edgefs.settings import AdaptSettings
from edgefs_runtime import Classifier
from edgefs_runtime.errors import DataError, GalleryError


@pytest.fixture
def exported(textures: Path, tmp_path: Path) -> tuple[Path, Path]:
    adapt(textures, tmp_path / "run", AdaptSettings(backbone="tiny", shots=5, name="parts"))
    export(tmp_path / "run", tmp_path / "b.edgefs")
    return tmp_path / "run", tmp_path / "b.edgefs"


def test_run_and_bundle_give_the_figures_that_adapt_gave(exported: tuple[Path, Path], textures: Path) -> None:
    from edgefs.runs import Run

    before, after = (evaluate(subject, textures) for subject in exported)
    figures = [before.evaluation.to_json(), after.evaluation.to_json(), Run.open(exported[0]).metrics["test"]]
    errors = [one.pop("calibration_error") for one in figures]  # of probabilities, which differ in their last bits
    assert figures[0] == figures[1] == figures[2]
    assert errors[1:] == pytest.approx(errors[:2], abs=1e-3)
    assert any("15 images that the model has learned from" in note for note in after.notes)


def test_a_class_nobody_taught_is_counted_as_such(exported: tuple[Path, Path], tmp_path: Path) -> None:
    data = write_set(tmp_path / "more", 6, ("good", "checks"), first=500)
    outcome = evaluate(exported[1], data)
    assert outcome.evaluation.rates.caught.trials == 6
    assert any("not taught: checks" in note for note in outcome.notes)


def test_a_gallery_may_be_given_and_what_it_learned_is_left_out(exported: tuple[Path, Path], tmp_path: Path) -> None:
    data = write_set(tmp_path / "more", 8, ("good", "checks"), first=500)
    with Classifier.open(exported[1], gallery=tmp_path / "g") as classifier:
        classifier.enroll("checks", sorted((data / "checks").iterdir())[:5])
    outcome = evaluate(exported[1], data, gallery=tmp_path / "g")
    assert outcome.evaluation.images == 11
    assert outcome.evaluation.nearest.accuracy.value > 0.9


def test_a_gallery_that_is_not_there_is_not_taken_for_the_seed(
    exported: tuple[Path, Path], textures: Path, tmp_path: Path
) -> None:
    with pytest.raises(GalleryError, match=r"--gallery .*nowhere\.gallery: no such file; leave --gallery out"):
        evaluate(exported[1], textures, gallery=tmp_path / "nowhere.gallery")
    with pytest.raises(GalleryError, match="is a RUN"):
        evaluate(exported[0], textures, gallery=tmp_path / "nowhere.gallery")


def test_of_a_divided_folder_only_the_test_part_counts(exported: tuple[Path, Path], tmp_path: Path) -> None:
    write_set(tmp_path / "d" / "train", 4, first=600)
    write_set(tmp_path / "d" / "test", 3, first=700)
    assert evaluate(exported[1], tmp_path / "d").evaluation.images == 9


def test_a_black_frame_is_counted_as_not_judged(exported: tuple[Path, Path], tmp_path: Path) -> None:
    data = write_set(tmp_path / "more", 3, first=500)
    Image.fromarray(np.zeros((48, 48), np.uint8)).save(save(data / "dots", "dots", 900))
    assert evaluate(exported[1], data).evaluation.rates.unjudged.events == 1


def test_a_single_class_is_enough_to_evaluate_on(exported: tuple[Path, Path], tmp_path: Path) -> None:
    assert evaluate(exported[1], write_set(tmp_path / "one", 4, ("dots",), first=500)).evaluation.images == 4


def test_nothing_new_to_evaluate_on_is_an_error(exported: tuple[Path, Path], textures: Path, tmp_path: Path) -> None:
    with Classifier.open(exported[1], gallery=tmp_path / "g") as classifier:
        classifier.enroll("dots", sorted((textures / "dots").iterdir()))
    (tmp_path / "only").mkdir()
    (textures / "dots").rename(tmp_path / "only" / "dots")
    with pytest.raises(DataError, match="learned from all"):
        evaluate(exported[1], tmp_path / "only", gallery=tmp_path / "g")


def test_episodes_are_the_same_for_run_and_bundle(exported: tuple[Path, Path], textures: Path) -> None:
    plan = EpisodePlan(shots=3, episodes=5, queries=4)
    before, after = (evaluate_episodes(subject, textures, plan) for subject in exported)
    assert before.accuracy.value == pytest.approx(after.accuracy.value)
    assert after.accuracy.value > 0.9
