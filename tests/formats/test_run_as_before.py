"""RUNs that were written before are read, evaluated and exported as they were."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from parts import GOLDEN
from second_reader.bundles import BundleFile, read_bundle

from edgefs_runtime import Classifier

pytest.importorskip("torch", reason="the workstation part is not installed")

from observing import ASKED, differences, of_run

from edgefs.cli import main

pytestmark = pytest.mark.usefixtures("tiny")

Expected = Callable[[str], Any]


def exported(run: str, out: Path, *options: str) -> BundleFile:
    images = ["--data", str(GOLDEN / "images"), "--no-cache"]
    ran = CliRunner().invoke(main, ["export", str(GOLDEN / run), "-o", str(out), *images, *options])
    assert ran.exit_code == 0, ran.output
    return read_bundle(out)


@pytest.mark.parametrize("name", ["run", "old/run"])
def test_a_run_says_and_is_evaluated_as_it_was(name: str, expected: Expected) -> None:
    assert differences(of_run(GOLDEN / name), expected(name.replace("/", "-"))) == []


def test_a_run_from_before_checksums_says_what_it_did(copy: Callable[[str], Path], expected: Expected) -> None:
    run = copy("run")
    shutil.copy(GOLDEN / "old" / "identified" / "run.json", run)
    assert differences(of_run(run), expected("run")) == []


def test_export_gives_the_bundle_of_before(tmp_path: Path) -> None:
    """But for versions, and for the last bits of arithmetic."""
    found = exported("run", tmp_path / "line.edgefs", "--model-version", "7", "--keep-images", "support")
    kept = read_bundle(GOLDEN / "line.edgefs")
    assert list(found.members) == list(kept.members)
    assert found.members["head.onnx"] == kept.members["head.onnx"]
    passed_over = ("members", "versions")
    mine, theirs = ({k: v for k, v in one.manifest.items() if k not in passed_over} for one in (found, kept))
    assert differences(mine, json.loads(json.dumps(theirs))) == []
    assert len(found.members["embedder.onnx"]) == pytest.approx(len(kept.members["embedder.onnx"]), rel=0.02)
    for one, other in zip(found.seed(), kept.seed(), strict=True):
        assert (one.label, one.disposition, one.digests, one.groups) == (
            other.label,
            other.disposition,
            other.digests,
            other.groups,
        )
        np.testing.assert_allclose(one.vectors, other.vectors, rtol=1e-3, atol=1e-5)
    embedded = []
    for bundle in (tmp_path / "line.edgefs", GOLDEN / "line.edgefs"):
        with Classifier.open(bundle, seed_only=True) as classifier:
            embedded.append(classifier.embed(ASKED, views=True))
    np.testing.assert_allclose(*embedded, rtol=1e-3, atol=1e-5)


def test_a_run_from_before_identities_is_exported_under_the_one_it_implies(tmp_path: Path) -> None:
    found = exported("old/run", tmp_path / "old.edgefs")
    assert found.manifest["identity"] == read_bundle(GOLDEN / "line.edgefs").manifest["succeeds"]
    assert found.views == 8
    with Classifier.open(tmp_path / "old.edgefs", seed_only=True) as classifier:
        assert [decision.nearest for decision in classifier.predict(ASKED[:6])] == [
            *("good", "good", "stripes", "stripes", "dots", "dots")
        ]


def test_a_run_of_a_newer_format_is_refused_in_one_line(tmp_path: Path) -> None:
    run = Path(shutil.copytree(GOLDEN / "run", tmp_path / "run"))
    fields = json.loads((run / "run.json").read_text(encoding="utf-8"))
    (run / "run.json").write_text(json.dumps({**fields, "format_version": "2.0"}), encoding="utf-8")
    for arguments in (["export", str(run), "-o", str(tmp_path / "b.edgefs")], ["evaluate", str(run), str(GOLDEN)]):
        ran = CliRunner().invoke(main, arguments)
        assert ran.exit_code == 1
        assert ran.output.count("\n") == 1
        assert "RUN format 2.0, this edgefs reads 1.0" in ran.output
    assert not (tmp_path / "b.edgefs").exists()
