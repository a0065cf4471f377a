"""`edgefs engine` and what runs an engine, on a simulated TensorRT: how our calls go together, nothing about a GPU."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from bundles import remade
from places import TENSORRT
from shell import edgefs

pytestmark = pytest.mark.device

Pictures = Callable[..., list[Path]]
# Embeds 20 images by the engine, one by one and together, and by onnxruntime.
COMPARE = """
import json, sys
import numpy as np
from edgefs_runtime import Bundle, Classifier
from edgefs_runtime.embedders.onnx import OnnxEmbedder
images = np.random.default_rng(0).integers(0, 256, (20, 32, 32, 3), np.uint8)
with Classifier.open(sys.argv[1], provider="tensorrt") as classifier:
    embedder = classifier.backend.embedder
together, alone = embedder.embed(images), np.concatenate([embedder.embed(image[None]) for image in images])
turned = embedder.embed(images[:, ::-1, ::-1])
expected = OnnxEmbedder(Bundle.open(sys.argv[1]).model)
print(json.dumps({
    "batch": embedder.largest_batch,
    "dim": embedder.dim,
    "together": float(abs(together - expected.embed(images)).max()),
    "alone": float(abs(alone - expected.embed(images)).max()),
    "turned": float(abs(turned - expected.embed(images[:, ::-1, ::-1])).max()),
    "none": embedder.embed(images[:0]).shape,
    "software": classifier.backend.software,
}))
sys.stderr.write("\\nloaded ")
"""
WRONG_SIZE = """
import sys
import numpy as np
from edgefs_runtime import Classifier
classifier = Classifier.open(sys.argv[1], provider="tensorrt")
for images in (np.zeros((1, 31, 32, 3), np.uint8), np.zeros((1, 32, 32, 3), np.float32)):
    try:
        classifier.backend.embedder.embed(images)
    except Exception as error:
        print(type(error).__name__, error)
sys.stderr.write("\\nloaded ")
"""


@pytest.fixture(autouse=True)
def simulated(monkeypatch: pytest.MonkeyPatch) -> None:
    """Commands find the simulated TensorRT before any other."""
    monkeypatch.setenv(
        "PYTHONPATH", os.pathsep.join([str(TENSORRT), os.environ.get("PYTHONPATH", "")]).rstrip(os.pathsep)
    )


def built(bundle: Path, *options: str) -> dict[str, Any]:
    run = edgefs("engine", bundle, "--json", *options)
    assert run.returncode == 0, run.stderr
    return dict(json.loads(run.stdout))


def test_an_engine_is_built_tested_and_used(bundle: Path, pictures: Pictures, own_folders: Path) -> None:
    said = edgefs("engine", bundle).stdout
    (engine,) = (own_folders / "state" / "engines").glob("*.engine")
    assert said.startswith(f"Built {engine} (")
    assert said.rstrip().endswith("for Orin and TensorRT 10.3.0; golden embeddings agree by a cosine of 1.00000")
    run = edgefs("predict", bundle, *pictures("dots", 2), "--provider", "tensorrt", "--json")
    assert [json.loads(line)["nearest"] for line in run.stdout.splitlines()] == ["dots", "dots"]
    assert run.stderr == ""
    assert edgefs("predict", bundle, *pictures("dots", 1), "--provider", "auto").stderr == ""
    verified = json.loads(edgefs("verify", bundle, "--provider", "auto", "--json").stdout)
    assert verified["provider"] == "tensorrt"
    assert verified["software"].startswith("TensorRT 10.3.0 on Orin, engine ")


def test_batches_of_every_size_come_out_right(bundle: Path) -> None:
    built(bundle, "--max-batch", "8")
    answer = json.loads(edgefs(bundle, code=COMPARE).stdout)
    assert (answer["batch"], answer["none"]) == (8, [0, answer["dim"]])
    assert max(answer["together"], answer["alone"], answer["turned"]) < 1e-6


def test_images_that_do_not_fit_the_engine_are_refused(bundle: Path) -> None:
    built(bundle)
    first, second = edgefs(bundle, code=WRONG_SIZE).stdout.splitlines()
    assert first == "ProviderError the engine takes uint8 (32, 32, 3), these are uint8 (31, 32, 3)"
    assert second == "ProviderError the engine takes uint8 (32, 32, 3), these are float32 (32, 32, 3)"


def test_the_same_engine_is_not_built_twice_and_other_options_replace_it(bundle: Path) -> None:
    first = built(bundle)
    assert first["is_new"]
    assert not built(bundle)["is_new"]
    second = built(bundle, "--max-batch", "4")
    assert (second["is_new"], second["largest_batch"], second["path"]) == (True, 4, first["path"])
    assert built(bundle, "--max-batch", "4", "--workspace", "512")["is_new"]


@pytest.mark.parametrize(("variable", "value"), [("SIM_TENSORRT", "11.4.0"), ("SIM_GPU", "NVIDIA A2")])
def test_after_a_change_of_tensorrt_or_gpu_the_old_engine_is_not_loaded(
    bundle: Path, pictures: Pictures, monkeypatch: pytest.MonkeyPatch, variable: str, value: str
) -> None:
    old = built(bundle)
    monkeypatch.setenv(variable, value)
    run = edgefs("predict", bundle, *pictures("dots", 1), "--provider", "tensorrt")
    assert run.returncode == 1
    assert f"run `edgefs engine {bundle}`" in run.stderr
    new = built(bundle)
    assert new["is_new"]
    assert new["path"] != old["path"]


def test_a_damaged_engine_is_refused_and_built_anew(bundle: Path, pictures: Pictures) -> None:
    path = Path(built(bundle)["path"])
    path.write_bytes(path.read_bytes()[:-1])
    run = edgefs("predict", bundle, *pictures("dots", 1), "--provider", "tensorrt")
    assert "is damaged (its SHA-256 differs)" in run.stderr
    assert built(bundle)["is_new"]


def test_an_engine_that_computes_something_else_is_not_kept(
    bundle: Path, pictures: Pictures, monkeypatch: pytest.MonkeyPatch, own_folders: Path
) -> None:
    monkeypatch.setenv("SIM_WRONG", "1")
    run = edgefs("engine", bundle)
    assert run.returncode == 1
    assert "at least 0.999 is needed (TensorRT 10.3.0 on Orin" in run.stderr
    assert not list((own_folders / "state" / "engines").glob("*.engine"))


def test_an_engine_that_began_to_compute_something_else_is_found_by_verify(
    bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    built(bundle)
    monkeypatch.setenv("SIM_WRONG", "1")
    run = edgefs("verify", bundle, "--provider", "tensorrt")
    assert run.returncode == 1
    assert "at least 0.999 is needed" in run.stderr


def test_the_engine_of_another_bundle_with_the_same_model_serves(bundle: Path, tmp_path: Path) -> None:
    built(bundle)
    assert not built(remade(bundle, tmp_path / "renamed.edgefs", version="2"))["is_new"]


@pytest.mark.parametrize(
    ("variable", "value", "said"),
    [
        (
            "SIM_FAILS",
            "parse",
            "can't read embedder.onnx: Failed to parse the model (at Transpose 'node_0'); export for",
        ),
        (
            "SIM_FAILS",
            "build",
            "TensorRT 10.3.0 can't build an engine: Could not find any implementation for node conv2d",
        ),
        ("SIM_MEMORY", "1000", "CUDA fails at allocating 24576 bytes on the GPU: out of memory (cudaErrorMemoryAlloc"),
    ],
)
def test_what_tensorrt_cannot_build_is_one_line(
    bundle: Path, monkeypatch: pytest.MonkeyPatch, own_folders: Path, variable: str, value: str, said: str
) -> None:
    monkeypatch.setenv(variable, value)
    run = edgefs("engine", bundle)
    (line,) = run.stderr.splitlines()
    assert said in line
    assert not list((own_folders / "state" / "engines").glob("*.engine"))


def test_without_a_gpu_it_is_said_so(bundle: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SIM_GPU", "")
    run = edgefs("engine", bundle)
    (line,) = run.stderr.splitlines()
    assert line.startswith("Error: no NVIDIA GPU that can be used")


def test_too_old_a_tensorrt_is_refused(bundle: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SIM_TENSORRT", "8.6.2")
    assert "TensorRT 8.6.2 is too old, 10.3 or newer is needed" in edgefs("engine", bundle).stderr


def test_the_timing_cache_is_kept(bundle: Path, own_folders: Path) -> None:
    built(bundle)
    (cache,) = (own_folders / "state" / "engines").glob("*.timing")
    assert cache.read_bytes().endswith(b"timings of 10.3.0")
    cache.write_bytes(b"torn")
    assert built(bundle, "--max-batch", "2")["is_new"]
    assert cache.read_bytes().endswith(b"timings of 10.3.0")
