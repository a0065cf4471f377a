"""`edgefs engine` and `--provider` as a shell runs them, on a machine without a GPU."""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Callable
from pathlib import Path

import onnxruntime
import pytest
from shell import edgefs

pytestmark = [
    pytest.mark.device,
    pytest.mark.skipif(
        importlib.util.find_spec("tensorrt") is not None
        or "CUDAExecutionProvider" in onnxruntime.get_available_providers(),
        reason="TensorRT or CUDA is installed here",
    ),
]

Pictures = Callable[..., list[Path]]


def test_without_tensorrt_engine_says_what_to_install(bundle: Path) -> None:
    run = edgefs("engine", bundle)
    assert (run.returncode, run.stdout) == (1, "")
    (line,) = run.stderr.splitlines()
    assert line.startswith('Error: TensorRT is not installed: pip install "edgefs[tensorrt]"')


@pytest.mark.parametrize("option", [("--max-batch", "0"), ("--workspace", "-1")])
def test_engine_refuses_senseless_options(bundle: Path, option: tuple[str, str]) -> None:
    assert edgefs("engine", bundle, *option).returncode == 2


def test_engine_of_what_is_no_bundle(tmp_path: Path) -> None:
    run = edgefs("engine", tmp_path / "absent.edgefs")
    assert run.returncode == 1
    assert "no such file" in run.stderr


@pytest.mark.parametrize(("provider", "said"), [("cuda", "install onnxruntime-gpu"), ("tensorrt", "edgefs[tensorrt]")])
def test_a_provider_that_is_not_there_is_one_line(bundle: Path, pictures: Pictures, provider: str, said: str) -> None:
    run = edgefs("predict", bundle, *pictures("dots", 1), "--provider", provider)
    assert (run.returncode, run.stdout) == (1, "")
    (line,) = run.stderr.splitlines()
    assert said in line


def test_auto_answers_by_the_cpu_and_says_so_once(bundle: Path, pictures: Pictures) -> None:
    files = pictures("dots", 2)
    run = edgefs("predict", bundle, *files, "--provider", "auto", "--json")
    assert run.returncode == 0
    assert [json.loads(line)["nearest"] for line in run.stdout.splitlines()] == ["dots", "dots"]
    (line,) = run.stderr.splitlines()
    assert line.startswith("Computing on the CPU: TensorRT is not installed")


def test_teaching_takes_a_provider_and_fails_before_anything_is_taught(
    bundle: Path, pictures: Pictures, tmp_path: Path
) -> None:
    gallery = tmp_path / "g"
    files = pictures("checks", 5)
    for command in (
        ("enroll", bundle, "checks", *files),
        ("realign", bundle, *files),
        ("gallery", "refine", bundle, *files),
        ("challenge", "add", bundle, *files, "--expect", "NG"),
        ("challenge", "run", bundle),
    ):
        run = edgefs(*command, "--gallery", gallery, "--provider", "cuda")
        assert run.returncode == 1
        assert "CUDAExecutionProvider" in run.stderr
    assert not gallery.exists()
    run = edgefs("enroll", bundle, "checks", *files, "--gallery", gallery, "--provider", "auto")
    assert run.stdout.startswith("Enrolled 5 images of checks")


def test_verify_names_what_computed(bundle: Path) -> None:
    said = json.loads(edgefs("verify", bundle, "--provider", "auto", "--json").stdout)
    assert said["provider"] == "cpu"
    assert said["software"] == f"onnxruntime {onnxruntime.__version__} (cpu)"
    assert said["note"].startswith("Computing on the CPU")
    assert said["cosine"] == pytest.approx(1)
    assert "4 golden inputs agree to" in edgefs("verify", bundle).stdout
