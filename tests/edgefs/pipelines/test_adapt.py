"""`adapt`: what it makes of every kind of data, and what a RUN holds."""

from __future__ import annotations

import json
import shutil
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image
from textures import draw, save, write_set

from edgefs.cli.show import command as show
from edgefs.pipelines.adapt import adapt
from edgefs.pipelines.export import export
from edgefs.pipelines.sides import distribution_of
from edgefs.runs.run import Run
from edgefs.settings.adapt import AdaptSettings
from edgefs_runtime import Classifier
from edgefs_runtime.base.errors import DataError, EdgefsError, RunError

TINY = AdaptSettings(backbone="tiny")


def tiny(**settings: object) -> AdaptSettings:
    return AdaptSettings(backbone="tiny", **settings)  # type: ignore[arg-type]


def sides(run: Run) -> dict[str, int]:
    return {side: len(images) for side, images in run.record.images.by_side.items()}


def test_a_flat_folder_with_shots_is_learned_and_tested_on_the_rest(textures: Path, tmp_path: Path) -> None:
    run, measured = adapt(textures, tmp_path / "run", tiny(shots=5))
    assert sides(run) == {"train": 15, "validation": 0, "test": 21}
    assert measured.test is not None
    assert measured.test.evaluation.nearest.accuracy.value > 0.9
    assert {point.shots for point in measured.curve} == {1, 2, 5}
    assert Counter(image.label for image in run.record.images.train) == {"good": 5, "dots": 5, "stripes": 5}


def test_a_run_holds_what_was_promised_and_no_image(textures: Path, tmp_path: Path) -> None:
    run, _ = adapt(textures, tmp_path / "run", tiny(shots=5))
    names = {path.name for path in run.folder.iterdir()}
    assert names == {"run.json", "embedder.safetensors", "gallery.npz", "metrics.json", "report.html"}
    fields = json.loads((run.folder / "run.json").read_text())
    assert fields["settings"]["shots"] == 5
    assert fields["versions"]["torch"]
    assert all(len(image["sha256"]) == 64 for image in fields["images"]["train"])
    assert all(thumbnail == b"" for enrolment in run.enrolments() for thumbnail in enrolment.thumbnails)
    assert Run.open(tmp_path / "run").metrics["test"]["nearest"]["accuracy"]["trials"] == 21


@pytest.mark.slow
def test_of_very_many_classes_the_report_tells_the_worst_and_what_was_sampled(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    for label in range(510):
        (tmp_path / "data" / f"{label:03d}").mkdir(parents=True)
        for number in range(5):
            pixels = np.clip(40 * rng.standard_normal((8, 8, 3)) + 80 + label % 97, 0, 255).astype(np.uint8)
            Image.fromarray(pixels).save(tmp_path / "data" / f"{label:03d}" / f"{number}.png")
    run, measured = adapt(tmp_path / "data", tmp_path / "run", tiny(shots=4))
    report = (run.folder / "report.html").read_text()
    assert "read off about 2,000 of the 2,040 images learned from" in report
    assert "The 50 of 510 classes with the lowest F1." in report
    assert measured.curve == ()
    confusion = run.metrics["test"]["confusion"]
    assert "counts" not in confusion
    assert sum(images for _, _, images in confusion["cells"]) == 510


def test_enough_images_without_shots_are_divided_in_three(tmp_path: Path) -> None:
    data = write_set(tmp_path / "data", 20)
    run, measured = adapt(data, tmp_path / "run", TINY)
    assert sides(run) == {"train": 36, "validation": 12, "test": 12}
    assert measured.validation is not None
    assert any("60/20/20" in note for note in run.record.notes)


def test_five_images_a_class_are_cross_validated_and_the_report_says_so(tmp_path: Path) -> None:
    data = write_set(tmp_path / "data", 5)
    run, measured = adapt(data, tmp_path / "run", TINY)
    assert sides(run) == {"train": 15, "validation": 0, "test": 0}
    assert measured.cross_validation is not None
    assert len(measured.cross_validation.samples) == 15
    report = (run.folder / "report.html").read_text()
    assert "no independent test set" in report.lower()


def test_a_divided_folder_without_a_test_part_is_measured_on_validation(tmp_path: Path) -> None:
    write_set(tmp_path / "data" / "train", 6)
    write_set(tmp_path / "data" / "val", 4, first=50)
    run, measured = adapt(tmp_path / "data", tmp_path / "run", TINY)
    assert sides(run) == {"train": 18, "validation": 12, "test": 0}
    assert measured.headline is not None
    assert "validation" in measured.headline[0]
    assert any("no independent test set" in note.lower() for note in run.record.notes)


def test_one_image_a_class_is_learned_and_nothing_is_measured(tmp_path: Path) -> None:
    run, measured = adapt(write_set(tmp_path / "data", 1), tmp_path / "run", TINY)
    assert measured.headline is None
    assert sides(run)["train"] == 3


def test_the_same_settings_give_the_same_run(textures: Path, tmp_path: Path) -> None:
    runs = [adapt(textures, tmp_path / name, tiny(shots=4, seed=3))[0] for name in ("a", "b")]
    for name in ("embedder.safetensors", "gallery.npz", "metrics.json"):
        assert (runs[0].folder / name).read_bytes() == (runs[1].folder / name).read_bytes()


def test_another_seed_draws_other_shots(textures: Path, tmp_path: Path) -> None:
    drawn = [
        {image.path for image in adapt(textures, tmp_path / str(seed), tiny(shots=4, seed=seed))[0].record.images.train}
        for seed in (0, 1)
    ]
    assert drawn[0] != drawn[1]


def test_a_class_may_be_passed_over(textures: Path, tmp_path: Path) -> None:
    run, _ = adapt(textures, tmp_path / "run", tiny(shots=4, without=("dots",)))
    assert list(run.record.labels) == ["good", "stripes"]
    with pytest.raises(DataError, match="--without blobs"):
        adapt(textures, tmp_path / "other", tiny(without=("blobs",)))


def test_good_parts_are_named_by_their_usual_names_or_by_ok(textures: Path, tmp_path: Path) -> None:
    run, _ = adapt(textures, tmp_path / "run", tiny(shots=4, ok=("dots",)))
    assert dict(run.record.labels) == {
        "dots": "ok",
        "good": "ok",
        "stripes": "defect",
    }
    with pytest.raises(DataError, match="--ok blobs: no class of that name"):
        adapt(textures, tmp_path / "other", tiny(ok=("blobs",)))


def test_unreadable_and_black_images_are_left_out_and_listed(textures: Path, tmp_path: Path) -> None:
    (textures / "dots" / "broken.png").write_bytes(b"\x89PNG broken")
    black = save(textures / "dots", "dots", 900)
    Image.fromarray(np.zeros((48, 48), np.uint8)).save(black)
    run, _ = adapt(textures, tmp_path / "run", tiny(shots=4))
    reasons = {item.path: item.reason for item in run.record.left_out}
    assert set(reasons) == {"dots/broken.png", "dots/dots-900.png"}
    assert "constant" in reasons["dots/dots-900.png"]
    assert "dots/broken.png" in (run.folder / "report.html").read_text()


def test_a_folder_of_links_is_as_good_as_one_of_files(textures: Path, tmp_path: Path) -> None:
    """Mistakes are named by the link; where it leads to is nobody's business."""
    linked = tmp_path / "linked"
    for number, image in enumerate(sorted(textures.glob("*/*.png"))):
        place = linked / ("one", "two", "three")[number % 3] / image.name  # by lot, so that there are mistakes
        place.parent.mkdir(parents=True, exist_ok=True)
        place.symlink_to(image)
    _, measured = adapt(linked, tmp_path / "run", tiny(shots=3))
    assert measured.test is not None
    assert measured.test.evaluation.mistakes
    assert str(textures) not in (tmp_path / "run" / "report.html").read_text(encoding="utf-8")


def test_good_parts_alone_are_learned_and_the_others_test_as_unknown(tmp_path: Path) -> None:
    data = write_set(tmp_path / "data", 20)
    run, measured = adapt(data, tmp_path / "run", tiny(good_only=True))
    assert sides(run) == {"train": 12, "validation": 4, "test": 44}
    assert list(run.record.labels) == ["good"]
    assert measured.test is not None
    evaluation = measured.test.evaluation
    assert evaluation.rates.caught.trials == evaluation.rates.escapes.trials == 40
    assert evaluation.unknown_auroc is not None
    assert evaluation.unknown_auroc > 0.95
    assert evaluation.rates.overkill.trials == 4
    report = (run.folder / "report.html").read_text(encoding="utf-8")
    assert "Unknown AUROC" in report
    assert "Balanced accuracy" not in report


def test_report_headline_show_and_predict_name_one_threshold(tmp_path: Path) -> None:
    """Under --overkill parts are refused by what it leaves, and not by the budget for unknowns."""
    data = write_set(tmp_path / "data", 20)
    settings = tiny(good_only=True, overkill=0.2, budget=0.4)
    run, measured = adapt(data, tmp_path / "run", settings)
    assert measured.test is not None
    assert measured.test.thresholds == {"ok": pytest.approx(0.2)}
    drawn = distribution_of(measured.test)
    assert drawn is not None
    assert drawn.threshold == pytest.approx(0.2)
    rates = measured.test.evaluation.rates
    assert [group.refused for group in drawn.groups] == [rates.refused.events, rates.caught.events]
    assert [sum(value <= 0.2 for value in group.values) for group in drawn.groups] == [g.refused for g in drawn.groups]
    sentence = "A part is refused as unknown where p is at most 0.2."
    report = (run.folder / "report.html").read_text(encoding="utf-8")
    assert report.count(sentence) == 2  # what was done, and under the histogram
    assert f"{rates.refused.events} of {rates.refused.trials} images refused" in report
    export(run.folder, tmp_path / "b.edgefs")
    shown = CliRunner().invoke(show, [str(tmp_path / "b.edgefs")]).output
    assert "nearest a good class, refused where p is at or below 0.2" in shown
    with Classifier.open(tmp_path / "b.edgefs", seed_only=True) as classifier:
        (decision,) = classifier.predict([save(tmp_path, "checks", 0)])
        assert "is within the budget of 0.2" in decision.reason


def test_mvtec_style_data_is_learned_from_good_parts_alone(tmp_path: Path) -> None:
    write_set(tmp_path / "data" / "train", 12, ("good",))
    write_set(tmp_path / "data" / "test", 6, ("good", "dots", "stripes"), first=50)
    run, measured = adapt(tmp_path / "data", tmp_path / "run", tiny(good_only=True))
    assert sides(run) == {"train": 12, "validation": 0, "test": 18}
    assert measured.test is not None
    assert measured.test.evaluation.rates.caught.trials == 12
    exported = export(run.folder, tmp_path / "good.edgefs")
    assert exported.evaluation is not None
    assert exported.evaluation.rates.overkill.trials == 6
    with Classifier.open(tmp_path / "good.edgefs", gallery=tmp_path / "gallery") as classifier:
        assert classifier.judge.snapshot.labels == ("good",)
        dots = [tmp_path / "data" / "test" / "dots" / name.name for name in (tmp_path / "data/test/dots").iterdir()]
        assert {decision.verdict for decision in classifier.predict(dots[:3])} == {"NG"}
        classifier.enroll("dots", dots[:5])
        assert classifier.predict(dots[5:])[0].nearest == "dots"


def test_a_folder_of_good_parts_alone_is_cross_validated(tmp_path: Path) -> None:
    data = write_set(tmp_path / "data", 8, ("good",))
    run, measured = adapt(data, tmp_path / "run", TINY)
    assert sides(run) == {"train": 8, "validation": 0, "test": 0}
    assert measured.cross_validation is not None
    assert measured.cross_validation.evaluation.rates.overkill.trials == 8


def test_a_second_run_computes_no_embedding_again(textures: Path, tmp_path: Path, own_cache: Path) -> None:
    adapt(textures, tmp_path / "a", tiny(shots=4))
    caches = sorted((own_cache / "embeddings").iterdir())
    before = [cache.read_bytes() for cache in caches]
    done: list[tuple[str, int, int]] = []

    def steps(name: str):  # type: ignore[no-untyped-def]
        return lambda d, total: done.append((name, d, total))

    adapt(textures, tmp_path / "b", tiny(shots=4), steps=steps)
    assert [entry for entry in done if entry[0] == "embed"] == [("embed", 36, 36)]
    assert all(d == total for name, d, total in done if name.startswith("embed"))
    assert ("embed rendered pictures", 1024, 1024) in done
    assert [cache.read_bytes() for cache in caches] == before


def test_a_damaged_cache_is_made_again(textures: Path, tmp_path: Path, own_cache: Path) -> None:
    first, _ = adapt(textures, tmp_path / "a", tiny(shots=4))
    for cache in (own_cache / "embeddings").iterdir():
        cache.write_bytes(b"SQLite format 3\0" + b"rubbish" * 500)
    second, _ = adapt(textures, tmp_path / "b", tiny(shots=4))
    assert (first.folder / "gallery.npz").read_bytes() == (second.folder / "gallery.npz").read_bytes()


def test_a_run_is_not_overwritten_unasked(textures: Path, tmp_path: Path) -> None:
    adapt(textures, tmp_path / "run", tiny(shots=4))
    before = (tmp_path / "run" / "run.json").read_bytes()
    with pytest.raises(RunError, match="--overwrite"):
        adapt(textures, tmp_path / "run", tiny(shots=5))
    assert (tmp_path / "run" / "run.json").read_bytes() == before
    adapt(textures, tmp_path / "run", tiny(shots=5), overwrite=True)
    assert (tmp_path / "run" / "run.json").read_bytes() != before
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []


def test_what_is_no_run_is_never_replaced(textures: Path, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("years")
    with pytest.raises(RunError, match="not empty, and no RUN"):
        adapt(textures, tmp_path / "mine", tiny(shots=4), overwrite=True)
    (tmp_path / "file").write_text("x")
    with pytest.raises(RunError, match="a file stands there"):
        adapt(textures, tmp_path / "file", tiny(shots=4))


def test_the_remains_of_a_killed_adapt_are_tidied_up(textures: Path, tmp_path: Path) -> None:
    dead = tmp_path / ".run.999999999.abcd.new"
    dead.mkdir()
    (dead / "run.json").write_text("{}")
    adapt(textures, tmp_path / "run", tiny(shots=4))
    assert not dead.exists()


BAD_RUNS = {
    "no folder": (lambda run: shutil.rmtree(run), "no such folder"),
    "no run.json": (lambda run: (run / "run.json").unlink(), "not a RUN"),
    "no weights": (lambda run: (run / "embedder.safetensors").unlink(), "embedder.safetensors is missing"),
    "half a gallery": (lambda run: (run / "gallery.npz").write_bytes(b"PK"), "gallery.npz is not the one"),
    "no JSON": (lambda run: (run / "run.json").write_text("{"), "can't be read"),
    "a list": (lambda run: (run / "run.json").write_text("[]"), "not a JSON object"),
    "later format": (lambda run: (run / "run.json").write_text('{"format_version": "7.0"}'), "RUN format 7.0"),
}


@pytest.mark.parametrize("fault", BAD_RUNS)
def test_what_is_no_whole_run_is_refused(textures: Path, tmp_path: Path, fault: str) -> None:
    adapt(textures, tmp_path / "run", tiny(shots=4))
    damage, message = BAD_RUNS[fault]
    damage(tmp_path / "run")
    with pytest.raises(RunError, match=message):
        Run.open(tmp_path / "run")


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (tiny(shots=12), "--shots 12 needs"),
        (tiny(device="cuda:99"), "--device cuda:99"),
        (tiny(device="abacus"), "--device abacus"),
        (tiny(name="../up"), "not usable"),
        (tiny(window=(9, 3)), "--window 9 3: BLACK must be less than WHITE"),
    ],
)
def test_settings_that_cannot_be_are_refused_and_nothing_is_written(
    textures: Path, tmp_path: Path, settings: AdaptSettings, message: str
) -> None:
    with pytest.raises(EdgefsError, match=message):
        adapt(textures, tmp_path / "run", settings)
    assert not (tmp_path / "run").exists()


def test_a_region_of_interest_outside_the_images_is_refused(textures: Path, tmp_path: Path) -> None:
    with pytest.raises(EdgefsError, match="region of interest"):
        adapt(textures, tmp_path / "run", tiny(shots=4, roi=(0, 0, 500, 500)))


def turned_set(root: Path, per_class: int) -> Path:
    """Stripes across and stripes along: one class is the other, turned."""
    for number in range(per_class):
        across = draw("stripes", number)
        for name, pixels in (("across", across), ("along", np.rot90(draw("stripes", number + 500)))):
            (root / name).mkdir(parents=True, exist_ok=True)
            Image.fromarray(np.ascontiguousarray(pixels)).save(root / name / f"{number}.png")
    return root


def test_parts_are_not_turned_where_that_makes_them_another_class(tmp_path: Path) -> None:
    data = turned_set(tmp_path / "data", 12)
    run, measured = adapt(data, tmp_path / "run", tiny(shots=5))
    assert run.record.preprocess.symmetries in ((), ("h", "v", "hv"))
    assert any("of the support are told rightly so, " in note for note in run.record.notes)
    assert measured.test is not None
    assert measured.test.evaluation.nearest.accuracy.value > 0.9
    _, turned = adapt(data, tmp_path / "turned", tiny(shots=5, symmetries=("t", "hvt")))
    assert turned.test is not None
    assert turned.test.evaluation.nearest.accuracy.value < 0.8


def test_textures_without_a_direction_are_seen_in_eight_views(textures: Path, tmp_path: Path) -> None:
    run, _ = adapt(textures, tmp_path / "run", tiny(shots=5))
    assert len(run.record.preprocess.symmetries) == 7


def test_a_turn_that_the_input_does_not_allow_is_refused_at_once(textures: Path, tmp_path: Path) -> None:
    with pytest.raises(EdgefsError, match="--size 32 48 is none"):
        adapt(textures, tmp_path / "run", tiny(shots=5, size=(32, 48), symmetries=("t",)))
