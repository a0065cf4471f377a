"""`adapt` measures what the device does: one table by `adapt`, by `evaluate RUN` and by `evaluate BUNDLE`."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from containers import netpbm, png
from PIL import Image
from textures import draw

from edgefs.pipelines.adapt import adapt
from edgefs.pipelines.evaluate import evaluate
from edgefs.pipelines.export import export
from edgefs.settings.adapt import AdaptSettings
from edgefs_runtime import Classifier
from edgefs_runtime.base.errors import DataError
from edgefs_runtime.bundle.bundle import Bundle

SIZE = 32
KINDS = ("good", "stripes")
Depth = Callable[[np.ndarray], np.ndarray]
DEPTHS: dict[str, Depth] = {
    "8 grey": lambda rgb: rgb[:, :, 0],
    "8 RGB": lambda rgb: rgb,
    "12 in 16 grey": lambda rgb: rgb[:, :, 0].astype(np.uint16) * 16,
    "12 in 16 RGB": lambda rgb: rgb.astype(np.uint16) * 16,
    "12 PGM": lambda rgb: rgb[:, :, 0].astype(np.uint16) * 16,  # the only one that says its white
    "16 grey": lambda rgb: rgb[:, :, 0].astype(np.uint16) * 257,
}
WINDOWS = {
    "8 grey": [None, (0, 4095)],
    "8 RGB": [None],
    "12 in 16 grey": [None, (0, 4095), (100, 3000)],
    "12 in 16 RGB": [None],
    "12 PGM": [None, (0, 65535)],
    "16 grey": [None, (0, 65535)],
}
LAYOUTS = ("flat", "split", "mvtec", "csv")
CASES = [(layout, depth, window) for layout in LAYOUTS for depth in DEPTHS for window in WINDOWS[depth]]
SUFFIX = {"12 PGM": ".pgm"}


def frame(kind: str, number: int) -> np.ndarray:
    """uint8 `[32,32,3]`; `dark` is no constant frame, and nothing to see all the same."""
    if kind == "dark":
        return np.random.default_rng(number).integers(0, 7, (SIZE, SIZE, 3), np.uint8)
    return draw(kind, number, SIZE)


def write(path: Path, kind: str, number: int, depth: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.ascontiguousarray(DEPTHS[depth](frame(kind, number)))
    if depth == "12 PGM":
        path.write_bytes(netpbm(pixels, 4095))
    elif pixels.dtype == np.uint16 and pixels.ndim == 3:
        path.write_bytes(png(pixels, colour=2, bits=16))
    else:
        Image.fromarray(pixels).save(path)


def write_data(root: Path, layout: str, depth: str) -> Path:
    """Five images of each class to learn from and four to test with, and of each side one that shows nothing."""
    rows = []
    for side, count in (("train", 5), ("test", 4)):
        for label in KINDS:
            names = [(label, number) for number in range(count)] + ([("dark", 0)] if label == "good" else [])
            for kind, number in names:
                suffix = SUFFIX.get(depth, ".png")
                place = {
                    "flat": f"{label}/{side}-{kind}-{number}{suffix}",
                    "split": f"{side}/{label}/{kind}-{number}{suffix}",
                    "mvtec": f"{side}/{label}/{kind}-{number}{suffix}",
                    "csv": f"images/{side}-{label}-{kind}-{number}{suffix}",
                }[layout]
                if layout == "mvtec" and side == "train" and label != "good":
                    place = f"test/{label}/more-{number}{suffix}"
                write(root / place, kind, 100 * (side == "test") + number, depth)
                rows.append((place, label, side))
    if layout != "csv":
        return root
    with (root / "parts.csv").open("w", newline="") as file:
        csv.writer(file).writerows([("path", "label", "split"), *rows])
    return root / "parts.csv"


def figures(evaluation: dict) -> tuple[dict, float]:
    """What must be the same to the last digit, and what follows rounding."""
    plain = json.loads(json.dumps(evaluation))
    return plain, plain.pop("calibration_error")


@pytest.mark.parametrize(("layout", "depth", "window"), CASES, ids=str)
def test_a_run_is_measured_as_the_device_decides(
    tmp_path: Path, layout: str, depth: str, window: tuple[int, int] | None
) -> None:
    data = write_data(tmp_path / "data", layout, depth)
    shots = 4 if layout == "flat" else None
    settings = AdaptSettings(backbone="tiny", dim=0, shots=shots, window=window, symmetries=(), name="parts")
    run, measured = adapt(data, tmp_path / "run", settings)
    assert measured.test is not None
    blank = [decision for decision in measured.test.decisions if decision.verdict == "NO_DECISION"]
    assert len(blank) == (2 if layout == "flat" else 1)  # of a flat folder all that teaches nothing tests
    subjects = [run.folder]
    if shipped := layout == "flat" and (depth == "8 RGB" or window == (100, 3000)):  # an export takes seconds
        export(run.folder, tmp_path / "b.edgefs")
        subjects.append(tmp_path / "b.edgefs")
    mine, error = figures(measured.test.evaluation.to_json())
    for subject in subjects:
        outcome = evaluate(subject, data)
        theirs, their_error = figures(outcome.evaluation.to_json())
        assert theirs == mine
        assert their_error == pytest.approx(error, abs=1e-3)
        decided = {s.path.name + s.label: d for s, d in zip(outcome.side.samples, outcome.side.decisions, strict=True)}
        for sample, decision in zip(measured.test.samples, measured.test.decisions, strict=True):
            other = decided[sample.path.name + sample.label]
            assert (other.verdict, other.label) == (decision.verdict, decision.label)
            assert decision.verdict != "NO_DECISION" or other.reason == decision.reason
    if shipped:
        carried, _ = figures(Bundle.open(subjects[1]).manifest.raw["metrics"]["test"])
        assert carried == mine


def test_what_an_image_teaches_is_never_nothing(tmp_path: Path) -> None:
    """Frames that are no constant file, but black through the window, are listed and teach nothing."""
    data = write_data(tmp_path / "data", "split", "12 in 16 grey")
    run, _ = adapt(data, tmp_path / "run", AdaptSettings(backbone="tiny", dim=0))
    reasons = {item.path: item.reason for item in run.record.left_out}
    assert set(reasons) == {"train/good/dark-0.png", "test/good/dark-0.png"}
    assert all(reason.startswith("black frame") for reason in reasons.values())
    assert [image.path for image in run.record.no_decision.test] == ["test/good/dark-0.png"]
    assert not any("dark" in image.path for side in run.record.images.by_side.values() for image in side)


def test_the_window_is_that_of_the_sensor_and_is_said(tmp_path: Path) -> None:
    said: list[str] = []
    data = write_data(tmp_path / "data", "flat", "12 in 16 grey")
    run, _ = adapt(data, tmp_path / "run", AdaptSettings(backbone="tiny", dim=0, shots=4), tell=said.append)
    assert run.record.preprocess.window == (0, 4095)
    assert any("have 12 bits: window 0 to 4095; --window overrides it." in note for note in said)
    settings = AdaptSettings(backbone="tiny", dim=0, shots=4, window=(0, 65535))
    with pytest.raises(DataError, match=r"frame: .*--window 0 4095.*pass a --window"):
        adapt(data, tmp_path / "other", settings)


def test_images_too_small_for_the_region_of_interest_are_left_out_and_named(tmp_path: Path) -> None:
    data = write_data(tmp_path / "data", "flat", "8 grey")
    Image.fromarray(frame("good", 7)[:10, :10]).save(data / "good" / "small.png")
    settings = AdaptSettings(backbone="tiny", dim=0, shots=4, roi=(2, 2, 28, 28))
    run, measured = adapt(data, tmp_path / "run", settings)
    reasons = {item.path: item.reason for item in run.record.left_out}
    assert "region of interest 28 x 28 at (2, 2) lies outside the image of 10 x 10" in reasons["good/small.png"]
    outcome = evaluate(run.folder, data)
    assert measured.test is not None
    assert outcome.evaluation.images == measured.test.evaluation.images
    assert any("1 file that can't be used (the first: good/small.png, region" in note for note in outcome.notes)


def test_the_device_says_which_option_cures_a_frame_outside_the_window(tmp_path: Path) -> None:
    data = write_data(tmp_path / "data", "flat", "12 in 16 grey")
    full = write_data(tmp_path / "full", "flat", "16 grey")
    for name, place in (("w12", data), ("w16", full)):
        adapt(place, tmp_path / name, AdaptSettings(backbone="tiny", dim=0, shots=4, name=name))
        export(tmp_path / name, tmp_path / f"{name}.edgefs")
    with Classifier.open(tmp_path / "w16.edgefs") as classifier:
        flat, dark = (data / "good" / "test-good-0.png", data / "stripes" / "test-stripes-0.png")
        undecided, warned = classifier.predict([flat, dark])
        assert undecided.verdict == "NO_DECISION"
        assert "% of the window 0 to 65535: adapt with --window 0 4095" in undecided.reason
        assert "% of the window 0 to 65535: adapt with --window 0 4095" in warned.warning
        black = classifier.predict([np.zeros((SIZE, SIZE), np.uint16)])[0]
        assert "window" not in black.reason
        assert not classifier.predict([full / "good" / "test-good-0.png"])[0].warning
    with Classifier.open(tmp_path / "w12.edgefs") as classifier:
        decision = classifier.predict([full / "stripes" / "test-stripes-0.png"])[0]
        assert decision.verdict == "NO_DECISION"
        assert "lie above the window 0 to 4095: adapt with --window 0 65535" in decision.reason
        half = np.array(Image.open(data / "stripes" / "test-stripes-0.png"))
        half[:16] = 60000
        warned = classifier.predict([half])[0]
        assert warned.verdict != "NO_DECISION"
        assert "lie above the window 0 to 4095" in warned.to_json()["warning"]
        assert "warning" not in classifier.predict([data / "stripes" / "test-stripes-0.png"])[0].to_json()
