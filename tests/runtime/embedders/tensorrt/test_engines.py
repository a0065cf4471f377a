"""Engines on disk: found again for the same model, GPU and TensorRT, and for nothing else. That needs no GPU."""

from __future__ import annotations

import dataclasses
import importlib.util
import os
import shutil
import stat
import zipfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgefs_runtime import Bundle, BundleError, Classifier, EdgefsError, ProviderError
from edgefs_runtime.bundle.members import MODEL
from edgefs_runtime.embedders.self_test import run_self_test
from edgefs_runtime.embedders.tensorrt.device import EngineDevice
from edgefs_runtime.embedders.tensorrt.engines import build_engine, engine_key, engine_path, find_engine
from edgefs_runtime.embedders.tensorrt.sealed import private_folder, read_sealed, write_sealed

pytestmark = pytest.mark.device

ORIN = EngineDevice("10.3.0", "Orin", "8.7")
OTHERS = {
    "TensorRT": dataclasses.replace(ORIN, tensorrt="10.3.1"),
    "GPU": dataclasses.replace(ORIN, gpu="NVIDIA A2"),
    "GPU whose name is written alike": dataclasses.replace(ORIN, gpu="ORIN"),
    "compute capability": dataclasses.replace(ORIN, capability="8.6"),
}
posix = pytest.mark.skipif(os.name != "posix", reason="owners and modes are POSIX")


def model_of(bundle: Path) -> str:
    return Bundle.open(bundle).manifest.members[MODEL].sha256


@pytest.fixture
def engine(bundle: Path) -> Path:
    """A file as `edgefs engine` writes it for the golden bundle on a Jetson Orin."""
    path = engine_path(model_of(bundle), ORIN)
    write_sealed(path, {**engine_key(model_of(bundle), ORIN), "largest_batch": 8, "workspace": 1024}, b"a plan" * 100)
    return path


def test_an_engine_is_found_again_with_what_it_was_built_for(bundle: Path, engine: Path) -> None:
    about, plan = find_engine(Bundle.open(bundle), ORIN)
    assert plan == b"a plan" * 100
    assert about["largest_batch"] == 8
    assert engine.parent == private_folder()
    assert engine.name.startswith(f"{model_of(bundle)[:16]}-trt10.3.0-orin-sm87-")


def test_without_an_engine_the_command_that_builds_it_is_named(bundle: Path) -> None:
    with pytest.raises(
        ProviderError, match=r"for Orin and TensorRT 10\.3\.0 was built here: run `edgefs engine .*edge"
    ):
        find_engine(Bundle.open(bundle), ORIN)


@pytest.mark.parametrize("other", OTHERS.values(), ids=OTHERS)
def test_another_device_has_another_engine(bundle: Path, engine: Path, other: EngineDevice) -> None:
    assert engine_path(model_of(bundle), other) != engine
    with pytest.raises(ProviderError, match="no engine of this model"):
        find_engine(Bundle.open(bundle), other)


@pytest.mark.parametrize("other", OTHERS.values(), ids=OTHERS)
def test_a_stale_engine_is_refused_under_whatever_name_it_lies(bundle: Path, engine: Path, other: EngineDevice) -> None:
    shutil.copy(engine, engine_path(model_of(bundle), other))
    with pytest.raises(ProviderError, match=r"is for .* run `edgefs engine` again"):
        find_engine(Bundle.open(bundle), other)


def test_the_engine_of_another_model_is_refused(bundle: Path, engine: Path) -> None:
    other = model_of(bundle)[:16] + "0" * 48  # the same name
    assert engine_path(other, ORIN) == engine
    with pytest.raises(ProviderError, match="is for model"):
        read_sealed(engine, engine_key(other, ORIN))


def test_a_timing_cache_is_no_engine(bundle: Path, engine: Path) -> None:
    write_sealed(engine, {**engine_key(model_of(bundle), ORIN), "kind": "timing cache"}, b"timings")
    with pytest.raises(ProviderError, match="is for kind 'timing cache'"):
        find_engine(Bundle.open(bundle), ORIN)


@pytest.mark.parametrize(
    "damage",
    {
        "a flipped bit": lambda data: data[:-7] + bytes([data[-7] ^ 1]) + data[-6:],
        "truncated": lambda data: data[:-1],
        "longer": lambda data: data + b"x",
        "empty": lambda data: b"",
        "a plan without its header": lambda data: b"a plan" * 100,
        "a header that is no JSON": lambda data: data.replace(b'{"about"', b'("about"'),
        "a header that says nothing": lambda data: b"edgefs-sealed 1\n{}\n",
        "a header without end": lambda data: b"edgefs-sealed 1\n" + b"{" * 100_000,
    }.items(),
    ids=lambda damage: damage[0],
)
def test_a_damaged_engine_is_refused(bundle: Path, engine: Path, damage: tuple) -> None:
    engine.write_bytes(damage[1](engine.read_bytes()))
    with pytest.raises(ProviderError, match="remove it and run `edgefs engine` again"):
        find_engine(Bundle.open(bundle), ORIN)


@given(st.binary(max_size=300), st.booleans())
def test_nothing_but_a_sealed_file_is_ever_read(
    tmp_path_factory: pytest.TempPathFactory, data: bytes, magic: bool
) -> None:
    path = tmp_path_factory.mktemp("any") / "x.engine"
    path.write_bytes(b"edgefs-sealed 1\n" + data if magic else data)
    path.chmod(0o600)
    with pytest.raises(ProviderError):
        read_sealed(path, {"kind": "engine"})


@posix
def test_an_engine_that_others_may_write_is_refused(bundle: Path, engine: Path) -> None:
    engine.chmod(0o620)
    with pytest.raises(ProviderError, match="other users may write it"):
        find_engine(Bundle.open(bundle), ORIN)


@posix
def test_a_link_to_an_engine_elsewhere_is_refused(bundle: Path, engine: Path, tmp_path: Path) -> None:
    shutil.move(engine, tmp_path / "theirs.engine")
    engine.symlink_to(tmp_path / "theirs.engine")
    with pytest.raises(ProviderError, match="can't be read"):
        find_engine(Bundle.open(bundle), ORIN)


@pytest.mark.skipif(os.name != "posix" or os.getuid() != 0, reason="giving a file away needs root")
@pytest.mark.parametrize("which", ["the file", "the folder"])
def test_what_belongs_to_another_user_is_refused(bundle: Path, engine: Path, which: str) -> None:
    os.chown(engine if which == "the file" else engine.parent, 12345, -1)
    with pytest.raises(ProviderError, match="belongs to another user, and engines are code"):
        find_engine(Bundle.open(bundle), ORIN)


@posix
def test_a_folder_of_engines_that_others_may_write_is_refused(bundle: Path, engine: Path) -> None:
    engine.parent.chmod(0o770)
    with pytest.raises(ProviderError, match="other users may write it"):
        find_engine(Bundle.open(bundle), ORIN)


@posix
def test_nobody_else_may_enter_the_folder(engine: Path) -> None:
    assert stat.S_IMODE(engine.parent.stat().st_mode) == 0o700
    assert stat.S_IMODE(engine.stat().st_mode) == 0o600
    assert stat.S_IMODE(private_folder("deeper").stat().st_mode) == 0o700


def test_what_cannot_be_written_leaves_what_was_there(engine: Path) -> None:
    before = engine.read_bytes()
    with pytest.raises(ProviderError, match="can't be written"):
        write_sealed(engine / "below", {}, b"")
    assert engine.read_bytes() == before
    assert [path.name for path in engine.parent.iterdir()] == [engine.name]


def test_a_state_folder_that_cannot_be_made_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("EDGEFS_STATE", str(tmp_path / "file"))
    with pytest.raises(ProviderError, match="can't be used for engines"):
        private_folder()


def test_names_from_drivers_are_harmless_in_file_names() -> None:
    device = EngineDevice("10.3.0/../..", "../../NVIDIA\0 \u6d4b\u8bd5 GeForce/RTX", "8.9")
    assert set(device.name) <= set("abcdefghijklmnopqrstuvwxyz0123456789.-")
    assert len(EngineDevice("1", "x" * 500, "8.7").name) < 100


def test_an_engine_in_a_bundle_is_refused(bundle: Path) -> None:
    with zipfile.ZipFile(bundle, "a") as archive:
        archive.writestr("model.engine", b"a plan")
    with pytest.raises(BundleError, match=r"holds 'model\.engine'"):
        Classifier.open(bundle, provider="tensorrt")


@pytest.mark.skipif(importlib.util.find_spec("tensorrt") is not None, reason="TensorRT is installed here")
def test_where_tensorrt_is_not_installed_it_is_said_what_to_install(bundle: Path, own_folders: Path) -> None:
    for ask in (
        lambda path: build_engine(path, test=run_self_test),
        lambda path: Classifier.open(path, provider="tensorrt"),
    ):
        with pytest.raises(EdgefsError, match=r'not installed: pip install "edgefs\[tensorrt\]"'):
            ask(bundle)
    assert not (own_folders / "state" / "engines").exists()


def test_where_there_is_no_gpu_cuda_says_so_in_one_line() -> None:
    """By the real cuda-python, which a workstation has with torch."""
    runtime = pytest.importorskip("cuda.bindings.runtime")
    if runtime.cudaGetDeviceCount()[0] == runtime.cudaError_t.cudaSuccess:
        pytest.skip("there is a GPU")
    from edgefs_runtime.embedders.tensorrt.cuda import Buffer, Stream, this_gpu

    with pytest.raises(ProviderError, match=r"no NVIDIA GPU that can be used .*CUDA fails at finding a GPU: .*\(cudaE"):
        this_gpu()
    with pytest.raises(ProviderError, match="CUDA fails at allocating 100 bytes on the GPU"):
        Buffer(100)
    with pytest.raises(ProviderError, match="CUDA fails at making a stream"):
        Stream()
