"""`edgefs distill`: a student of unlabelled or rendered pictures, and what `adapt` makes of it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner
from PIL import Image
from resuming import trained_at_once_and_in_two_goes
from textures import save, write_set

from edgefs.backbones import load_backbone
from edgefs.cli import main
from edgefs.pipelines.adapt import adapt
from edgefs.pipelines.distill import distill
from edgefs.pipelines.export import export
from edgefs.runs.run import DistilledRun
from edgefs.settings.adapt import AdaptSettings
from edgefs.settings.distill import DistillSettings
from edgefs_runtime import Classifier
from edgefs_runtime.base.errors import EdgefsError, RunError, WeightsError

SHORT = {"teacher": "nano", "teacher_size": 64, "student": "nano-s", "size": 64, "batch": 8, "workers": 0}


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    """45 pictures in folders below one another; a damaged one, a black one and a copy."""
    folder = write_set(tmp_path / "archive" / "2026", 15)
    (folder / "damaged.png").write_bytes(b"no picture")
    Image.new("RGB", (48, 48)).save(folder / "black.png")
    (folder / "copy.png").write_bytes((folder / "dots" / "dots-000.png").read_bytes())
    return tmp_path / "archive"


def test_a_student_of_an_archive_serves_as_a_backbone_up_to_the_device(archive: Path, tmp_path: Path) -> None:
    told: list[str] = []
    settings = DistillSettings(**SHORT, epochs=4, views=8)
    run, distilled = distill(archive, tmp_path / "student", settings, tell=told.append)
    assert "45 images; 2 files left out" in told[2]
    assert distilled.history.best > 0
    assert distilled.after["embedding"] < 0.9  # explains more than a tenth of what the teacher says
    assert distilled.after["relation"] < distilled.before["relation"]
    assert run.record.teacher.name == "nano"
    assert "explains" in (tmp_path / "student" / "report.html").read_text()

    data = write_set(tmp_path / "parts", 12, first=100)
    adapted, _ = adapt(data, tmp_path / "run", AdaptSettings(backbone=str(tmp_path / "student"), shots=5))
    assert adapted.record.backbone.digest == run.record.backbone.digest
    assert adapted.record.backbone.origin == "distilled from nano (student)"
    assert export(tmp_path / "run", tmp_path / "parts.edgefs").parity.worst < 1e-4
    new = [save(tmp_path / "new", "checks", number) for number in range(12)]
    with Classifier.open(tmp_path / "parts.edgefs", gallery=tmp_path / "g") as classifier:
        classifier.enroll("checks", new[:5], force=True)
        assert sum(decision.nearest == "checks" for decision in classifier.predict(new[5:])) >= 6


def test_rendered_pictures_teach_too_and_the_same_seed_gives_the_same_student(tmp_path: Path) -> None:
    settings = DistillSettings(**SHORT, epochs=1, pictures=24, views=1)
    first, _ = distill(None, tmp_path / "a", settings)
    second, _ = distill(None, tmp_path / "b", settings)
    other, _ = distill(None, tmp_path / "c", DistillSettings(**SHORT, epochs=1, pictures=24, views=1, seed=1))
    digests = [run.record.backbone.digest for run in (first, second, other)]
    assert digests[0] == digests[1] != digests[2]


def test_nano_goes_on_from_its_packaged_weights_on_an_archive(archive: Path, tmp_path: Path) -> None:
    settings = DistillSettings(teacher="nano", student="nano", epochs=1, batch=8, views=1, lr=1e-4)
    _, distilled = distill(archive, tmp_path / "student", settings)
    assert distilled.before["relation"] < 0.05  # it is its own teacher, and finds the same alike


@pytest.mark.skipif(os.name != "posix", reason="SIGKILL")
def test_killed_and_started_again_it_ends_with_the_same_student(archive: Path, tmp_path: Path) -> None:
    flags = "--teacher nano --teacher-size 64 --student nano-s --size 64 --batch 8 --epochs 3 --views 2"
    whole, killed = trained_at_once_and_in_two_goes(tmp_path, "distill", archive, *flags.split(), epochs=2)
    for name in ("metrics.json", "student.safetensors"):
        assert (killed / name).read_bytes() == (whole / name).read_bytes()


@pytest.mark.skipif(os.name != "posix", reason="Fabric starts the processes as POSIX does")
@pytest.mark.slow  # fine-tuning, by the same loop, shows it in every run
def test_two_processes_train_together(archive: Path, tmp_path: Path) -> None:
    flags = "--teacher nano --teacher-size 64 --student nano-s --size 64 --batch 8 --epochs 1 --devices 2"
    script = tmp_path / "command.py"
    script.write_text("from edgefs.cli import main\nmain()\n")
    command = [sys.executable, str(script), "distill", str(archive), "-o", str(tmp_path / "student"), *flags.split()]
    done = subprocess.run([*command, "--device", "cpu"], capture_output=True, text=True, timeout=200, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("Go on:") == 1
    assert DistilledRun.open(tmp_path / "student").record.settings["devices"] == 2


BAD = {
    "neither": ([], "either ARCHIVE"),
    "both": (["ARCHIVE", "--rendered"], "either ARCHIVE"),
    "no folder": (["nowhere"], "no such folder"),
    "few images": (["FEW", "--teacher", "nano"], "at least 32 are needed to learn from"),
    "a size between": (["ARCHIVE", "--size", "100"], "a multiple of 32"),
    "nothing packaged": (["ARCHIVE", "--student", "nano-l", "--start", "packaged"], "no packaged weights"),
    "an ignorant teacher": (["ARCHIVE", "--teacher", "pico"], "knows nothing"),
    "a transformer": (["ARCHIVE", "--teacher", "vit_b_16", "--teacher-weights", "random"], "transformer"),
    "unknown teacher": (["ARCHIVE", "--teacher", "mobilenet_v9"], "did you mean"),
    "region": (["ARCHIVE", "--teacher", "nano", "--roi", "40", "40", "40", "40"], "lies outside the image"),
}


@pytest.mark.parametrize("fault", BAD)
def test_bad_input_is_one_line_and_leaves_nothing(archive: Path, tmp_path: Path, fault: str) -> None:
    given, message = BAD[fault]
    few = write_set(tmp_path / "few", 3)
    named = {"ARCHIVE": str(archive), "FEW": str(few)}
    arguments = [named.get(one, one) for one in given]
    result = CliRunner().invoke(main, ["distill", *arguments, "-o", str(tmp_path / "student"), "--workers", "0"])
    assert result.exit_code in (1, 2)
    assert message in result.output
    assert result.output.strip().splitlines()[-1].startswith("Error: ")
    assert not (tmp_path / "student").exists()


def test_a_student_is_no_model_and_a_model_no_student(archive: Path, tmp_path: Path) -> None:
    settings = DistillSettings(**SHORT, epochs=1, views=1)
    distill(archive, tmp_path / "student", settings)
    with pytest.raises(RunError, match="knows no classes yet"):
        export(tmp_path / "student", tmp_path / "b.edgefs")
    with pytest.raises(RunError, match="a RUN stands there already"):
        distill(archive, tmp_path / "student", settings)
    with pytest.raises(WeightsError, match="has weights of its own"):
        load_backbone(str(tmp_path / "student"), "w.pth")
    adapt(write_set(tmp_path / "parts", 12), tmp_path / "run", AdaptSettings(backbone="tiny", shots=5))
    with pytest.raises(RunError, match="an adapted RUN is no backbone"):
        load_backbone(str(tmp_path / "run"))
    with pytest.raises(RunError, match="no such folder; `edgefs distill` makes one"):
        load_backbone("some/where")
    with pytest.raises(EdgefsError, match="random values"):
        adapt(write_set(tmp_path / "parts", 12), tmp_path / "r", AdaptSettings(backbone="nano-l", shots=5))
