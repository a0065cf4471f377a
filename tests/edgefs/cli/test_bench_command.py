"""`edgefs bench` as a shell runs it: its object, its table, its exit status. No time is asserted."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from bundles import remade
from click.testing import CliRunner
from shell import edgefs
from textures import save

from edgefs.cli import main
from edgefs_runtime import Bundle
from edgefs_runtime.base.processor import this_processor

pytestmark = pytest.mark.device

SMALL = ("--camera-size", "64x48")
STAGES = ("preprocess_encoded", "preprocess", "embed", "head", "end_to_end_encoded", "end_to_end")


def test_json_is_one_object_for_ci(bundle: Path, own_folders: Path) -> None:
    other = remade(bundle, bundle.with_name("other.edgefs"), name="other")
    run = edgefs("bench", bundle, other, *SMALL, "--frames", 12, "--threads", "1,2", "--deadline-ms", 1e6, "--json")
    assert run.returncode == 0
    (line,) = run.stdout.splitlines()
    said = json.loads(line)
    assert (said["passed"], said["failures"]) == (True, [])
    assert said["machine"]["cores"] >= 1
    assert said["machine"]["processor"]
    assert said["machine"]["onnxruntime"]
    assert said["plan"] == {"seconds": 20.0, "frames": 12, "threads": [1, 2], "gallery": None, "deadline": 1e6}
    assert said["frames"] == {"source": "rendered", "count": 5, "sizes": [[64, 48]]} | {
        "encoded_bytes": said["frames"]["encoded_bytes"]
    }
    assert [entry["name"] for entry in said["bundles"]] == ["textures", "other"]
    for number, entry in enumerate(said["bundles"]):
        assert set(entry["stages"]) == set(STAGES)
        for spread in (*entry["stages"].values(), entry["enrolling"]["end_to_end"]):
            assert spread["p50"] <= spread["slowest"]
            assert spread["p90"] is spread["p99"] is spread["p99.9"] is None  # 12 samples carry none of them
        assert entry["stages"]["end_to_end"]["samples"] == 12
        assert entry["enrolling"]["enrolments"] >= 1
        assert entry["misses"]["alone"] == {"frames": 0, "samples": 12, "share": 0.0} | {
            "high": entry["misses"]["alone"]["high"]
        }
        assert [(one["threads"], one["batch"]) for one in entry["throughput"]] == [(1, 1), (1, 8), (2, 1), (2, 8)]
        assert entry["memory"]["deciding"] is None or entry["memory"]["deciding"] > 10
        assert set(entry["against_first"]) == (set(STAGES) if number else set())
    assert not list((own_folders / "state").glob("*.gallery*"))


def test_the_table_says_the_same_in_words(bundle: Path) -> None:
    run = edgefs("bench", bundle, bundle, *SMALL, "--frames", 30, "--threads", 1, "--deadline-ms", 1e-6)
    assert run.returncode == 0
    for words in (
        "5 rendered frames of 64 x 48 pixels",
        "fp32, 32 x 32, blend, 24 images in the gallery",
        "p90      p99    p99.9",
        "the same while enrolling",
        "p99 needs 299, p99.9 needs 2,995",
        "30 of 30 frames, 100.00%",
        "frames decided by the gallery as it was before",
        "batch 8, 1 thread",
        "ratio of medians",
    ):
        assert words in run.stdout, words
    assert "Too slow" not in run.stderr


@pytest.mark.parametrize(
    ("limits", "status", "said"),
    [
        (("--deadline-ms", 1e-6, "--max-misses", 0.5), 1, "10 of 10 frames missed the deadline of 1e-06 ms (100.00%)"),
        (("--deadline-ms", 1e6, "--max-misses", 0), 0, ""),
        (("--max-p99-ms", 1e-6, "--frames", 299), 1, "its 99th percentile is"),
        (("--max-p99-ms", 1e6, "--seconds", 0.01), 1, "299 are needed: raise --seconds or --frames"),
    ],
)
def test_a_limit_decides_the_exit_status(bundle: Path, limits: tuple[object, ...], status: int, said: str) -> None:
    budget = () if {"--frames", "--seconds"} & set(limits) else ("--frames", 10)
    run = edgefs("bench", bundle, *SMALL, "--threads", 1, *budget, *limits, "--json")
    answer = json.loads(run.stdout)
    assert (run.returncode, answer["passed"]) == (status, status == 0)
    lines = [line for line in run.stderr.splitlines() if line.startswith("Too slow: ")]
    assert lines == [f"Too slow: {failure}" for failure in answer["failures"]]
    assert len(lines) == status
    assert said in "".join(lines)


def test_real_frames_and_a_gallery_of_ones_own(
    bundle: Path, pictures: Callable[..., list[Path]], tmp_path: Path
) -> None:
    gallery, (shot, *_) = tmp_path / "own", pictures("checks", 3)
    edgefs("enroll", bundle, "checks", shot.parent, "--gallery", gallery)
    before = {path.name: path.read_bytes() for path in tmp_path.glob("own*")}
    run = edgefs(
        "bench", bundle, "--image", shot.parent, "--image", shot, "--gallery", gallery, "--frames", 4, "--json"
    )
    said = json.loads(run.stdout)
    assert (said["frames"]["source"], said["frames"]["count"], said["frames"]["sizes"]) == ("files", 4, [[48, 48]])
    assert said["bundles"][0]["images"] == 24 + 3
    assert {path.name: path.read_bytes() for path in tmp_path.glob("own*")} == before


@pytest.mark.skipif(this_processor().family == "other", reason="nothing is claimed about this processor")
def test_a_bundle_for_another_processor_is_measured_with_a_warning(bundle: Path) -> None:
    entry = {**Bundle.open(bundle).manifest.raw["embedder"], "precision": "int8", "target": "tensorrt"}
    other = remade(bundle, bundle.with_name("trt.edgefs"), embedder=entry)
    run = edgefs("bench", other, *SMALL, "--frames", 2, "--json")
    assert "Warning: trt.edgefs: made for TensorRT" in run.stderr
    assert len(json.loads(run.stdout)["bundles"][0]["warnings"]) == 1


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        ("b.edgefs", "--frames", 0),
        ("b.edgefs", "--seconds", 0),
        ("b.edgefs", "--seconds", "nan"),
        ("b.edgefs", "--threads", "1,"),
        ("b.edgefs", "--threads", "-1"),
        ("b.edgefs", "--camera-size", "1920"),
        ("b.edgefs", "--camera-size", "64x48", "--image", "a.png"),
        ("b.edgefs", "--max-misses", 0.1),
        ("b.edgefs", "--deadline-ms", 5, "--max-misses", 2),
        ("b.edgefs", "--max-p99-ms", 5, "--frames", 298),
        ("b.edgefs", "--deadline-ms", "nan"),
        ("b.edgefs", "--max-p99-ms", "nan"),
    ],
)
def test_wrong_usage_has_status_2(arguments: tuple[object, ...]) -> None:
    result = CliRunner().invoke(main, ["bench", *map(str, arguments)])
    assert result.exit_code == 2
    assert result.output.startswith("Usage: ")


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        ("no bundle", "no such file"),
        ("no image", r"gone.png: no such file"),
        ("an empty folder", "no image"),
        ("no gallery", "there is no gallery file"),
        ("a camera of nothing", "0 x 48"),
    ],
)
def test_an_error_is_one_line_with_status_1(bundle: Path, tmp_path: Path, fault: str, said: str) -> None:
    (tmp_path / "empty").mkdir()
    arguments: dict[str, tuple[object, ...]] = {
        "no bundle": (bundle, tmp_path / "gone.edgefs", *SMALL),
        "no image": (bundle, "--image", save(tmp_path, "dots", 1), "--image", tmp_path / "gone.png"),
        "an empty folder": (bundle, "--image", tmp_path / "empty"),
        "no gallery": (bundle, *SMALL, "--gallery", tmp_path / "gone.gallery"),
        "a camera of nothing": (bundle, "--camera-size", "0x48"),
    }
    result = CliRunner().invoke(main, ["bench", *map(str, arguments[fault]), "--frames", "2", "--json"])
    assert result.exit_code == 1
    (line,) = result.output.strip().splitlines()
    assert line.startswith("Error: ")
    assert said in line
