"""Challenge folders and RUNs, as a reader written from docs/formats alone finds them."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from parts import GOLDEN
from second_reader.bundles import read_bundle
from second_reader.folders import data_digest, read_challenge, read_run, read_tensors

from edgefs_runtime import Classifier

pytestmark = pytest.mark.device

Copy = Callable[[str], Path]


def test_challenge_folder(copy: Copy) -> None:
    bundle = read_bundle(GOLDEN / "line.edgefs")
    index, vectors = read_challenge(GOLDEN / "line.challenge", bundle.space_id)
    assert index["bundle"] == bundle.digest
    copy("line.challenge")
    with Classifier.open(GOLDEN / "line.edgefs", gallery=copy("line.gallery")) as classifier:
        parts = classifier.challenge.parts()
    with Classifier.open(GOLDEN / "line.edgefs", seed_only=True) as classifier:  # of a camera that was never realigned
        embedded = classifier.embed([GOLDEN / "line.challenge" / part.file_name for part in parts])
    assert index["parts"] == [dataclasses.asdict(part) for part in parts]
    np.testing.assert_allclose([vectors[part.sha256] for part in parts], embedded, rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("name", ["run", "old/run"])
def test_run(name: str, expected: Callable[[str], Any]) -> None:
    found, known = read_run(GOLDEN / name), expected(name.replace("/", "-"))
    assert found["implied"] == known["identity"] == found.get("identity", known["identity"])
    assert data_digest(found) == found["data"]["digest"]
    tensors = read_tensors((GOLDEN / name / "embedder.safetensors").read_bytes())
    plan = found["plan"]
    width = sum(plan["channels"]) * len(plan["poolings"])
    assert tensors["projection"].shape == (width, plan["projected"])
    assert tensors["projection"].dtype == np.float16
    assert any(key.startswith("stages.") for key in tensors)


def test_the_successor_names_the_run_of_before() -> None:
    assert read_bundle(GOLDEN / "line.edgefs").manifest["succeeds"] == read_run(GOLDEN / "old" / "run")["implied"]
    assert read_bundle(GOLDEN / "line.edgefs").manifest["identity"] == read_run(GOLDEN / "run")["identity"]
    assert "identity" not in read_run(GOLDEN / "old" / "run")
    assert "identity" not in read_bundle(GOLDEN / "tiny.edgefs").manifest
