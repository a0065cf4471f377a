"""`evaluate`: the same figures before and after export, and nothing counted that was learned from."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from textures import save, write_set

from edgefs.evaluation.episodes import EpisodePlan
from edgefs.pipelines.adapt import adapt
from edgefs.pipelines.evaluate import evaluate, evaluate_episodes
from edgefs.pipelines.export import export
from edgefs.settings.adapt import AdaptSettings
from edgefs_runtime import Classifier
from edgefs_runtime.base.errors import DataError, GalleryError


@pytest.fixture
def exported(textures: Path, tmp_path: Path) -> tuple[Path, Path]:
    adapt(textures, tmp_path / "run", AdaptSettings(backbone="tiny", shots=5, name="parts"))
    export(tmp_path / "run", tmp_path / "b.edgefs")
    return tmp_path / "run", tmp_path / "b.edgefs"


def test_run_and_bundle_give_the_figures_that_adapt_gave(exported: tuple[Path, Path], textures: Path) -> None:
    from edgefs.runs.run import Run

    before, after = (evaluate(subject, textures) for subject in exported)
    figures = [before.evaluation.to_json(), after.evaluation.to_json(), Run.open(exported[0]).metrics["test"]]
    errors = [one.pop("calibration_error") for one in figures]  # of probabilities, which differ in their last bits
    assert figures[0] == figures[1] == figures[2]
    assert errors[1:] == pytest.approx(errors[:2], abs=1e-3)
    assert any("15 images that the model has learned from" in note for note in after.notes)


def test_images_that_choices_were_made_on_test_nothing(tmp_path: Path) -> None:
    from edgefs.runs.run import Run

    data = write_set(tmp_path / "data", 20, ("good", "dots"))
    adapt(data, tmp_path / "run", AdaptSettings(backbone="tiny", name="parts"))  # 60/20/20
    export(tmp_path / "run", tmp_path / "b.edgefs")
    run = Run.open(tmp_path / "run")
    assert len(run.chosen_on) == 8
    for subject in (tmp_path / "run", tmp_path / "b.edgefs"):
        outcome = evaluate(subject, data)
        assert outcome.evaluation.confusion.to_json() == run.metrics["test"]["confusion"]
        assert any("8 images that choices were made on" in note for note in outcome.notes)


def test_black_frames_of_an_undivided_folder_count_as_adapt_counted_them(tmp_path: Path) -> None:
    from edgefs.runs.run import Run

    data = write_set(tmp_path / "data", 20, ("good", "dots"))
    for number in range(20):  # black with one pixel that is not: files of their own, and parts of their own
        pixels = np.zeros((32, 32), np.uint8)
        pixels.flat[number] = 4
        Image.fromarray(pixels).save(data / ("good", "dots")[number % 2] / f"black-{number}.png")
    dead = np.zeros((32, 32), np.uint8)  # and one that a dead camera wrote for every part
    for label in ("good", "good", "dots"):
        Image.fromarray(dead).save(data / label / f"dead-{len(list((data / label).iterdir()))}.png")
    adapt(data, tmp_path / "run", AdaptSettings(backbone="tiny", name="parts"))  # 60/20/20
    export(tmp_path / "run", tmp_path / "b.edgefs")
    run = Run.open(tmp_path / "run")
    counted = {side: len(images) for side, images in run.record.no_decision.by_side.items()}
    assert sum(counted.values()) == 23
    assert min(counted.values()) > 0
    wanted = run.metrics["test"]["confusion"]
    for subject in (tmp_path / "run", tmp_path / "b.edgefs"):
        outcome = evaluate(subject, data)
        assert outcome.evaluation.confusion.to_json() == wanted
        assert outcome.evaluation.rates.unjudged.events == counted["test"]


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


def test_parts_that_were_learned_from_are_not_counted(textures: Path, tmp_path: Path) -> None:
    """Two images of each part: the twin of a shot would flatter it, and `adapt` does not test on it either."""
    for label in ("good", "stripes", "dots"):
        for number, path in enumerate(sorted((textures / label).iterdir())):
            path.rename(path.with_name(f"{label}-{number // 2}{number % 2}.png"))
    settings = AdaptSettings(backbone="tiny", shots=3, dim=0, group_from=r"\w+-\d", name="parts")
    run, measured = adapt(textures, tmp_path / "run", settings)
    outcome = evaluate(run.folder, textures, group_from=r"\w+-\d")
    assert measured.test is not None
    assert len(measured.test.samples) == len(outcome.side.samples) == 18
    assert measured.test.evaluation.to_json()["confusion"] == outcome.evaluation.to_json()["confusion"]
    assert "Left out: 9 other images of the same parts." in outcome.notes


def test_black_frames_of_the_same_bytes_are_counted_on_each_side(tmp_path: Path) -> None:
    """A dead camera writes the same file into every folder: no contradiction, and no one image."""
    data = tmp_path / "data"
    for side, first in (("train", 0), ("test", 100)):
        write_set(data / side, 4, ("good", "dots"), first=first)
        for label in ("good", "dots"):
            Image.fromarray(np.zeros((32, 32, 3), np.uint8)).save(data / side / label / "black.png")
    run, measured = adapt(data, tmp_path / "run", AdaptSettings(backbone="tiny", dim=0))
    assert measured.test is not None
    figures = [measured.test.evaluation, evaluate(run.folder, data).evaluation]
    assert [one.rates.unjudged.events for one in figures] == [2, 2]
    assert {item.reason.split(":")[0] for item in run.record.left_out} == {"constant frame"}
