"""Bundles: the whole one, and everything that is not."""

from __future__ import annotations

import hashlib
import io
import json
import pickle
import struct
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgefs_runtime import Bundle, BundleError, Classifier
from edgefs_runtime.base.processor import this_processor
from edgefs_runtime.bundle.seed import unpack_gallery

pytestmark = pytest.mark.device

Members = dict[str, bytes]


def read(path: Path) -> Members:
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def write(path: Path, members: Members, method: int = zipfile.ZIP_STORED) -> Path:
    with zipfile.ZipFile(path, "w", method) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return path


def described(members: Members, **fields: Any) -> Members:
    """The members with a manifest that describes them."""
    manifest = json.loads(members["manifest.json"])
    manifest["members"] = {
        name: {"size": len(data), "sha256": hashlib.sha256(data).hexdigest()}
        for name, data in members.items()
        if name != "manifest.json"
    }
    return {**members, "manifest.json": json.dumps({**manifest, **fields}).encode()}


def npz(**arrays: Any) -> bytes:
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)
    return buffer.getvalue()


def test_the_golden_bundle_is_read(bundle: Path) -> None:
    opened = Bundle.open(bundle)
    assert (opened.name, opened.manifest.version) == ("textures", "1")
    assert dict(opened.manifest.labels) == {"dots": "defect", "good": "ok", "stripes": "defect"}
    assert [len(enrolment.vectors) for enrolment in opened.seed_enrolments()] == [8, 8, 8]
    assert opened.report.startswith("<!DOCTYPE html>")


def test_the_digest_is_that_of_the_manifest_and_names_the_space(bundle: Path) -> None:
    opened = Bundle.open(bundle)
    assert opened.digest == hashlib.sha256(read(bundle)["manifest.json"]).hexdigest()
    model = hashlib.sha256(read(bundle)["embedder.onnx"]).hexdigest()
    preprocess = json.dumps(
        json.loads(read(bundle)["manifest.json"])["preprocess"], sort_keys=True, separators=(",", ":")
    )
    assert opened.space_id == hashlib.sha256(f"{model}\n{preprocess}".encode()).hexdigest()


def test_fields_of_a_later_minor_format_are_kept(bundle: Path, tmp_path: Path) -> None:
    members = described(read(bundle), format_version="1.7", novelty={"a": 1})
    assert Bundle.open(write(tmp_path / "later.edgefs", members)).manifest.raw["novelty"] == {"a": 1}


def flip(name: str) -> Callable[[Path, Members], bytes]:
    """One bit of a member changed in the file itself."""

    def damage(path: Path, members: Members) -> bytes:
        data = bytearray(path.read_bytes())
        at = data.index(members[name][:64]) + min(40, len(members[name]) // 2)
        data[at] ^= 1
        return bytes(data)

    return damage


def repacked(change: Callable[[Members], Members]) -> Callable[[Path, Members], bytes]:
    def damage(path: Path, members: Members) -> bytes:
        return write(path.with_suffix(".new"), change(members)).read_bytes()

    return damage


def without(name: str) -> Callable[[Members], Members]:
    return lambda members: {key: value for key, value in members.items() if key != name}


def manifest_with(**fields: Any) -> Callable[[Members], Members]:
    return lambda members: described(members, **fields)


def deflated(path: Path, members: Members) -> bytes:
    return write(path.with_suffix(".new"), members, zipfile.ZIP_DEFLATED).read_bytes()


def twice(path: Path, members: Members) -> bytes:
    with zipfile.ZipFile(path, "a") as archive, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        archive.writestr("gallery.npz", b"another")
    return path.read_bytes()


def claims_more_than_it_has(path: Path, members: Members) -> bytes:
    """The central directory says that the manifest has 4 GB less one byte."""
    data = bytearray(path.read_bytes())
    at = data.rindex(b"PK\x01\x02", 0, data.rindex(b"PK\x05\x06"))
    data[at + 20 : at + 28] = struct.pack("<II", 0xFFFFFFF0, 0xFFFFFFF0)
    return bytes(data)


BAD = {
    "empty": (lambda path, members: b"", "not a whole bundle"),
    "text": (lambda path, members: b"hello", "not an edgefs bundle, but another kind of file"),
    "truncated": (lambda path, members: path.read_bytes()[:-3000], "not a whole bundle"),
    "half": (lambda path, members: path.read_bytes()[: path.stat().st_size // 2], "not a whole bundle"),
    "flipped manifest": (flip("manifest.json"), "not a whole bundle"),
    "flipped model": (flip("embedder.onnx"), "SHA-256 differs"),
    "flipped gallery": (flip("gallery.npz"), "SHA-256 differs"),
    "text in front": (lambda path, members: b"#!/bin/sh\n" + path.read_bytes(), "not a whole bundle"),
    "text behind": (lambda path, members: path.read_bytes() + b"\n", "not a whole bundle"),
    "twice": (twice, "twice"),
    "other model": (repacked(lambda m: {**m, "embedder.onnx": m["embedder.onnx"][:-1] + b"x"}), "SHA-256 differs"),
    "shorter model": (repacked(lambda m: {**m, "embedder.onnx": m["embedder.onnx"][:-9]}), "the manifest says"),
    "no gallery": (repacked(without("gallery.npz")), "gallery.npz is missing"),
    "no manifest": (repacked(without("manifest.json")), "manifest.json is missing"),
    "stranger": (repacked(lambda m: {**m, "setup.py": b"boom"}), "setup.py"),
    "path": (repacked(lambda m: {**m, "../../etc/passwd": b"boom"}), "etc/passwd"),
    "undescribed": (repacked(lambda m: {**m, "head.onnx": b"boom"}), "not described"),
    "deflated": (deflated, "compressed"),
    "claims": (claims_more_than_it_has, "not a whole bundle"),
    "later major format": (repacked(manifest_with(format_version="2.0")), "bundle format 2.0"),
    "no format": (repacked(manifest_with(format_version=None)), "bundle format"),
    "for a newer runtime": (repacked(manifest_with(min_runtime="99.1")), "needs edgefs 99.1"),
    "manifest is a list": (repacked(lambda m: {**m, "manifest.json": b"[]"}), "not a JSON object"),
    "manifest is no JSON": (repacked(lambda m: {**m, "manifest.json": b"{"}), "not JSON"),
    "deeply nested": (repacked(lambda m: {**m, "manifest.json": b"[" * 200_000}), "not JSON"),
    "name is a path": (repacked(manifest_with(name="../../root")), "not usable"),
    "name is empty": (repacked(manifest_with(name="")), "not usable"),
    "no labels": (repacked(manifest_with(labels=7)), "wrong kind"),
    "disposition": (repacked(manifest_with(labels=[{"label": "a", "disposition": "maybe"}])), "neither ok nor defect"),
    "preprocess": (repacked(manifest_with(preprocess={"size": [32, 32], "magic": 1})), "another runtime"),
    "size": (repacked(manifest_with(preprocess={"size": [0, 32]})), "preprocess.size"),
    "budget": (repacked(manifest_with(decision={"budget": 7, "unknown": "NG"})), "decision.budget"),
    "verdict": (repacked(manifest_with(decision={"budget": 0.05, "unknown": "OK"})), "decision.unknown"),
}


@pytest.mark.parametrize("fault", BAD)
def test_what_is_no_whole_bundle_is_refused_in_one_line(bundle: Path, fault: str) -> None:
    damage, message = BAD[fault]
    bundle.write_bytes(damage(bundle, read(bundle)))
    with pytest.raises(BundleError, match=message) as caught:
        Bundle.open(bundle)
    assert "\n" not in str(caught.value)
    assert bundle.name in str(caught.value)


def test_a_folder_and_a_missing_file_are_refused(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="a folder"):
        Bundle.open(tmp_path)
    with pytest.raises(BundleError, match="no such file"):
        Bundle.open(tmp_path / "gone.edgefs")


class Boom:
    def __reduce__(self) -> tuple[Any, ...]:
        return (Path("boom").touch, ())


def test_a_pickle_in_a_gallery_is_never_loaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    objects = np.array([Boom()], dtype=object)
    for data in (npz(vectors=objects), pickle.dumps(Boom())):
        with pytest.raises(BundleError, match=r"gallery\.npz"):
            unpack_gallery(data)
    assert not (tmp_path / "boom").exists()


@pytest.mark.parametrize(
    "change",
    [
        {"vectors": np.zeros((3, 4), np.float32)},
        {"vectors": np.zeros(2, np.float32)},
        {"labels": np.array(["a"])},
        {"lengths": np.array([1, 5])},
        {"lengths": np.array([-1, 1])},
        {"vectors": np.full((2, 4), np.nan, np.float32), "lengths": np.array([0, 0])},
        {"dispositions": np.array(["ok", "perhaps"])},
        {"labels": np.array(["a", "unknown"])},
    ],
)
def test_a_gallery_whose_arrays_do_not_fit_is_refused(change: dict[str, Any]) -> None:
    arrays = {
        "vectors": np.ones((2, 4), np.float32),
        "labels": np.array(["a", "b"]),
        "dispositions": np.array(["ok", "defect"]),
        "digests": np.array(["0", "1"]),
        "groups": np.array(["", ""]),
        "thumbnails": np.zeros(0, np.uint8),
        "lengths": np.array([0, 0]),
    }
    assert len(unpack_gallery(npz(**arrays))) == 2
    with pytest.raises(BundleError):
        unpack_gallery(npz(**{**arrays, **change}))


def test_a_bundle_that_computes_something_else_here_fails_its_self_test(bundle: Path) -> None:
    members = read(bundle)
    golden = dict(np.load(io.BytesIO(members["golden.npz"])))
    golden["vectors"] = golden["vectors"] * np.float32(1.001)
    write(bundle, described({**members, "golden.npz": npz(**golden)}))
    with pytest.raises(BundleError, match="self-test fails"):
        Classifier.open(bundle)


def test_a_self_test_that_fails_on_another_processor_says_what_to_export(bundle: Path) -> None:
    if this_processor().family == "other":
        pytest.skip("nothing is claimed about this processor")
    members = read(bundle)
    golden = dict(np.load(io.BytesIO(members["golden.npz"])))
    golden["vectors"] = golden["vectors"][:, ::-1]  # int8 is compared by its direction
    entry = {**json.loads(members["manifest.json"])["embedder"], "precision": "int8", "target": "tensorrt"}
    write(bundle, described({**members, "golden.npz": npz(**golden)}, embedder=entry))
    with pytest.raises(
        BundleError, match=r"self-test fails.*made for TensorRT.*`edgefs export --precision int8 --target "
    ):
        Classifier.open(bundle)


def test_a_bundle_that_decides_otherwise_here_fails_its_self_test(bundle: Path) -> None:
    members = read(bundle)
    golden = dict(np.load(io.BytesIO(members["golden.npz"])))
    golden["nearest"] = np.array(["elsewhere"] * len(golden["nearest"]))
    write(bundle, described({**members, "golden.npz": npz(**golden)}))
    with pytest.raises(BundleError, match="nearest to"):
        Classifier.open(bundle)


@pytest.mark.parametrize("model", [b"", b"not a model", b"\x08\x0a"])
def test_a_model_that_onnxruntime_cannot_load_is_refused(bundle: Path, model: bytes) -> None:
    write(bundle, described({**read(bundle), "embedder.onnx": model}))
    with pytest.raises(BundleError, match=r"embedder\.onnx"):
        Classifier.open(bundle)
