"""Names as file systems hold them: bytes that are no text, brackets, spellings of another system."""

from __future__ import annotations

import json
import os
import shutil
import sys
import unicodedata
from pathlib import Path

import pytest
from click.testing import CliRunner
from textures import save, write_set

from edgefs.cli import main
from edgefs.pipelines.adapt import adapt
from edgefs.pipelines.evaluate import evaluate
from edgefs.pipelines.export import export
from edgefs.report import report_html
from edgefs.settings.adapt import AdaptSettings
from edgefs_runtime import Classifier
from edgefs_runtime.bundle.bundle import Bundle
from edgefs_runtime.decision.snapshot import Enrolment
from edgefs_runtime.gallery import Gallery
from edgefs_runtime.gallery.belonging import seed_of

NO_TEXT = os.fsdecode(b"\xbb\xae")


@pytest.mark.skipif(sys.platform != "linux", reason="file names are bytes on Linux alone")
def test_file_names_that_are_no_text_are_learned_from_reported_and_exported(tmp_path: Path) -> None:
    root = write_set(tmp_path / NO_TEXT / "set", 5, ("good", "dots"))
    for path in sorted(root.rglob("*.png")):
        path.rename(path.with_name(f"{NO_TEXT}{path.name}"))
    (root / "dots" / f"{NO_TEXT}.png").write_bytes(b"no image")
    (root / "dots" / f"{NO_TEXT}.txt").touch()
    settings = AdaptSettings(backbone="tiny", shots=2, group_from="^(..)....-00[01]")
    run, _ = adapt(root, tmp_path / "run", settings)
    fields = json.loads((run.folder / "run.json").read_text(encoding="utf-8"))
    assert all((root / image["path"]).is_file() for side in fields["images"].values() for image in side)
    assert fields["left_out"][0]["path"] == f"dots/{NO_TEXT}.png"
    assert "??.png" in (run.folder / "report.html").read_text(encoding="utf-8")
    assert report_html(evaluate(run.folder, root).report).encode("utf-8")
    export(run.folder, tmp_path / "b.edgefs")
    assert report_html(evaluate(tmp_path / "b.edgefs", root).report).encode("utf-8")


def test_brackets_and_colons_in_names_are_shown_as_they_are(tmp_path: Path) -> None:
    root = write_set(tmp_path / "set", 3, ("good", "dots"))
    (root / "dots").rename(root / "[red]:smile:")
    shutil.copytree(root / "[red]:smile:", root / "[RED]:smile:")
    for path in (root / "[RED]:smile:").iterdir():  # other pictures
        path.unlink()
    for number in range(20, 23):
        save(root / "[RED]:smile:", "stripes", number)
    run = CliRunner().invoke(main, ["adapt", str(root), "-o", str(tmp_path / "run"), "--backbone", "tiny"])
    assert run.exit_code == 0
    assert "[RED]:smile: and [red]:smile: differ in case only: are they one class?" in run.stderr


def test_options_name_classes_in_any_spelling(tmp_path: Path) -> None:
    composed, apart = (unicodedata.normalize(form, "gut ä") for form in ("NFC", "NFD"))
    root = write_set(tmp_path / "set", 3)
    (root / "stripes").rename(root / apart)
    settings = AdaptSettings(backbone="tiny", ok=(f" {apart}",), without=("dots\u200b",))
    run, _ = adapt(root, tmp_path / "run", settings)
    assert dict(run.record.labels) == {"good": "ok", composed: "ok"}


def test_a_gallery_that_spells_otherwise_is_evaluated_by_the_folders_of_now(bundle: Path, tmp_path: Path) -> None:
    composed, apart = (unicodedata.normalize(form, "Käfer") for form in ("NFC", "NFD"))
    shots = [save(tmp_path / "shots", "checks", number) for number in range(4)]
    with Classifier.open(bundle, seed_only=True) as classifier:
        vectors = classifier.embed(shots, views=True)
    with Gallery.open(tmp_path / "g", seed_of(Bundle.open(bundle))) as gallery:  # as a version of before did
        gallery.enroll(Enrolment(apart, "defect", vectors, tuple(f"{number:064x}" for number in range(4))))
    for number in range(10, 13):
        save(tmp_path / "data" / composed, "checks", number)
    save(tmp_path / "data" / "Good", "good", 50)
    evaluated = evaluate(bundle, tmp_path / "data", gallery=tmp_path / "g", ok=("Good ",))
    assert evaluated.evaluation.nearest.accuracy.value == 1
    assert "Good and the model's good differ in case only: are they one class?" in evaluated.notes
