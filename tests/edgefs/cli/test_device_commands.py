"""The device's commands as a shell runs them: output, exit status, and what is never loaded."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from killing import NEVER, Ended, Launcher, Stop
from shell import RUN, edgefs
from textures import save

from edgefs_runtime import Classifier
from edgefs_runtime.gallery import check_gallery

pytestmark = pytest.mark.device

Pictures = Callable[..., list[Path]]


def test_predict_prints_a_line_for_each_image(bundle: Path, pictures: Pictures) -> None:
    run = edgefs("predict", bundle, *pictures("dots", 2), *pictures("good", 1))
    assert run.returncode == 0
    lines = run.stdout.splitlines()
    assert [line.split()[0] for line in lines] == ["NG", "NG", "OK"]
    assert re.search(r"dots \(\d+ %, p 0\.\d+\)  .*dots-100\.png", lines[0])


def test_predict_json_is_one_object_a_line(bundle: Path, pictures: Pictures) -> None:
    (path,) = pictures("dots", 1)
    run = edgefs("predict", bundle, path, "--json")
    (answer,) = [json.loads(line) for line in run.stdout.splitlines()]
    assert answer["path"] == str(path)
    assert (answer["nearest"], answer["verdict"]) == ("dots", "NG")
    assert set(answer) >= {"label", "probability", "p_value", "margin", "ranking", "bundle", "gallery", "time"}


def test_a_folder_is_searched_at_any_depth(bundle: Path, tmp_path: Path) -> None:
    save(tmp_path / "shift" / "1", "dots", 1)
    save(tmp_path / "shift" / "2" / "b", "good", 2)
    (tmp_path / "shift" / "notes.txt").write_text("no image")
    run = edgefs("predict", bundle, tmp_path / "shift", "--json")
    assert [json.loads(line)["nearest"] for line in run.stdout.splitlines()] == ["dots", "good"]


def test_an_unreadable_image_is_named_the_rest_goes_on_and_the_status_is_1(bundle: Path, pictures: Pictures) -> None:
    first, second, third = pictures("dots", 3)
    second.write_bytes(b"")
    run = edgefs("predict", bundle, first, second, third, "--json")
    answers = [json.loads(line) for line in run.stdout.splitlines()]
    assert run.returncode == 1
    assert answers[1] == {"path": str(second), "error": "empty file (0 bytes)"}
    assert [answer.get("nearest") for answer in answers] == ["dots", None, "dots"]


def test_teach_ask_look_and_take_back(bundle: Path, pictures: Pictures, tmp_path: Path) -> None:
    gallery = tmp_path / "g"
    asked = pictures("checks", 2, first=300)
    assert "unknown" in edgefs("predict", bundle, *asked, "--gallery", gallery).stdout
    assert not gallery.exists()
    run = edgefs(
        "enroll", bundle, "checks", *pictures("checks", 5), "--gallery", gallery, "--actor", "Jo", "--reason", "new die"
    )
    assert run.stdout == f"Enrolled 5 images of checks (new class, defect) in {gallery}\n"
    assert edgefs("predict", bundle, *asked, "--gallery", gallery).stdout.count("checks (") == 2
    classes = edgefs("gallery", "classes", bundle, "--gallery", gallery, "--json").stdout.splitlines()
    assert json.loads(classes[0]) == {"label": "checks", "disposition": "defect", "images": 5}
    header, entry = edgefs("gallery", "log", bundle, "--gallery", gallery).stdout.splitlines()
    assert header.split()[:4] == ["time", "act", "images", "classes"]
    assert entry.endswith("enroll      +5       1  checks  by Jo  new die")
    assert "took back" in edgefs("gallery", "undo", bundle, "--gallery", gallery).stdout
    assert "checks" not in edgefs("gallery", "classes", bundle, "--gallery", gallery).stdout
    assert edgefs("gallery", "check", gallery).stdout == f"{gallery}: whole\n"


def test_check_says_what_enrolling_would_do(bundle: Path, pictures: Pictures, tmp_path: Path) -> None:
    gallery = tmp_path / "g"
    said = edgefs("enroll", bundle, "checks", *pictures("checks", 5), "--gallery", gallery, "--check").stdout
    assert "checks: a new class, 5 images of 5 parts" in said
    assert "5 of 5 images would be told rightly had they not been taught: expect 48 to 100 %" in said
    assert "no conflict" in said
    assert not gallery.exists()
    run = edgefs("enroll", bundle, "spots", *pictures("dots", 5), "--gallery", gallery)
    assert (run.returncode, gallery.exists()) == (1, False)
    assert "images look like 'dots'; nothing was enrolled: look at it with --check, or pass --force" in run.stderr
    assert edgefs("enroll", bundle, "spots", *pictures("dots", 5), "--gallery", gallery, "--force").returncode == 0


def test_forget_and_merge_and_export(bundle: Path, pictures: Pictures, tmp_path: Path) -> None:
    ours, theirs = tmp_path / "ours", tmp_path / "theirs"
    edgefs("enroll", bundle, "checks", *pictures("checks", 3), "--gallery", theirs)
    assert edgefs("gallery", "forget", bundle, "dots", "--gallery", ours).stdout == "Forgot dots (8 images).\n"
    assert edgefs("gallery", "merge", bundle, theirs, "--gallery", ours).stdout.startswith(
        f"Merged {theirs}: 3 images of 1 "
    )
    said = edgefs("gallery", "export", bundle, tmp_path / "g.npz", "--gallery", ours).stdout
    assert said == f"Wrote 19 embeddings of 3 classes to {tmp_path / 'g.npz'}\n"
    assert (tmp_path / "g.npz").stat().st_size > 1000


def test_the_usual_gallery_lies_in_the_state_folder(bundle: Path, pictures: Pictures, own_folders: Path) -> None:
    run = edgefs("enroll", bundle, "checks", *pictures("checks", 2))
    assert run.stdout.strip().endswith(str(own_folders / "state" / "textures.gallery"))
    assert "textures.gallery" in edgefs("gallery", "classes", bundle).stdout


def test_show_says_what_a_bundle_is(bundle: Path, tmp_path: Path) -> None:
    said = edgefs("show", bundle, "--report", tmp_path / "r.html").stdout
    for word in ("textures, version 1", "features on tiny", "good (ok, 8 images)", "32 x 32", "digest"):
        assert word in said
    assert (tmp_path / "r.html").read_text().startswith("<!DOCTYPE html>")
    assert json.loads(edgefs("show", bundle, "--json").stdout)["name"] == "textures"


def test_verify_runs_the_self_test(bundle: Path) -> None:
    assert "4 golden inputs agree" in edgefs("verify", bundle).stdout


def test_labels_and_paths_may_be_chinese(bundle: Path, tmp_path: Path) -> None:
    shots = [save(tmp_path / "新缺陷", "checks", number) for number in range(5)]
    assert "划痕" in edgefs("enroll", bundle, "划痕", *shots).stdout
    run = edgefs("predict", bundle, save(tmp_path / "图像", "checks", 300), "--json")
    assert json.loads(run.stdout)["nearest"] == "划痕"
    assert "划痕" in run.stdout


def _bad_bundle(path: Path) -> Path:
    path.write_bytes(path.read_bytes()[:-100])
    return path


ERRORS: dict[str, Callable[[Path, Path], tuple[object, ...]]] = {
    "no such bundle": lambda bundle, tmp: ("predict", tmp / "gone.edgefs", tmp / "a.png"),
    "an image as bundle": lambda bundle, tmp: ("predict", save(tmp, "dots", 1), tmp / "a.png"),
    "a folder as bundle": lambda bundle, tmp: ("predict", tmp, tmp / "a.png"),
    "a truncated bundle": lambda bundle, tmp: ("show", _bad_bundle(bundle)),
    "an empty folder": lambda bundle, tmp: ("predict", bundle, _made(tmp / "empty")),
    "a gallery that is none": lambda bundle, tmp: ("predict", bundle, tmp, "--gallery", save(tmp, "dots", 1)),
    "teaching a missing file": lambda bundle, tmp: ("enroll", bundle, "a", tmp / "gone.png", "--gallery", tmp / "g"),
    "teaching unknown": lambda bundle, tmp: ("enroll", bundle, "unknown", save(tmp, "dots", 1), "--gallery", tmp / "g"),
    "forgetting a stranger": lambda bundle, tmp: ("gallery", "forget", bundle, "a", "--gallery", tmp / "g"),
    "nothing to undo": lambda bundle, tmp: ("gallery", "undo", bundle, "--gallery", tmp / "g"),
    "merging nothing": lambda bundle, tmp: ("gallery", "merge", bundle, tmp / "gone", "--gallery", tmp / "g"),
    "checking nothing": lambda bundle, tmp: ("gallery", "check", tmp / "gone"),
}


def _made(folder: Path) -> Path:
    folder.mkdir()
    return folder


@pytest.mark.parametrize("fault", ERRORS)
def test_an_error_is_one_line_with_status_1(bundle: Path, tmp_path: Path, fault: str) -> None:
    run = edgefs(*ERRORS[fault](bundle, tmp_path))
    assert run.returncode == 1
    (line,) = run.stderr.strip().splitlines()
    assert line.startswith("Error: ")
    assert run.stdout == ""
    assert not (tmp_path / "g").exists()
    assert not [path for path in tmp_path.iterdir() if path.name.startswith((".", "g-", "g."))]


@pytest.mark.parametrize(
    "arguments", [("predict",), ("predict", "b.edgefs"), ("enroll", "b.edgefs", "a"), ("fly",), ("show", "--loud")]
)
def test_wrong_usage_has_status_2(arguments: tuple[str, ...]) -> None:
    run = edgefs(*arguments)
    assert run.returncode == 2
    assert "Usage:" in run.stderr


def test_help_loads_nothing(bundle: Path) -> None:
    run = edgefs(
        "--help", code=RUN.replace("sorted(sys.modules)", "sorted({m.partition('.')[0] for m in sys.modules})")
    )
    assert run.returncode == 0
    light = "import sys, edgefs.cli; print(*sorted({'numpy', 'PIL', 'onnxruntime', 'sqlite3'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", light], capture_output=True, text=True, check=True).stdout == "\n"


@pytest.mark.skipif(os.name != "posix", reason="SIGKILL")
@pytest.mark.parametrize("taught", [False, True])
def test_enroll_killed_at_any_moment_leaves_a_whole_gallery(bundle: Path, tmp_path: Path, taught: bool) -> None:
    """In a gallery made for it, and in one that was taught: what is there holds all five images or none."""
    shots = [save(tmp_path / "shots", "checks", number) for number in range(5)]
    with Launcher("edgefs.cli.enroll", "onnxruntime") as launcher:

        def enroll(gallery: Path, moment: int = NEVER) -> Ended:
            stop = Stop(moment, str(tmp_path))
            return launcher.run("enroll", bundle, "checks", *shots, "--gallery", gallery, stop=stop)

        def begun(name: str) -> Path:
            gallery = tmp_path / name / "g"
            if taught:
                launcher.run("gallery", "forget", bundle, "dots", "--gallery", gallery)
            return gallery

        moments, found = enroll(begun("whole")).moments, []
        for moment in sorted({*range(1, moments + 1, moments // 9), moments}):  # the last is behind the commit
            gallery = begun(str(moment))
            assert enroll(gallery, moment).status == -signal.SIGKILL
            if gallery.exists():
                assert check_gallery(gallery) == []
            with Classifier.open(bundle, gallery=gallery) as classifier:
                counts = classifier.judge.snapshot.counts
            assert counts["good"] == counts["stripes"] == 8
            assert ("dots" in counts) is not taught
            found.append(counts.get("checks", 0))
        assert set(found) == {0, 5}
        assert enroll(tmp_path / "1" / "g").status == 0
    assert check_gallery(tmp_path / "1" / "g") == []


def test_predicting_from_many_processes_while_one_teaches(bundle: Path, tmp_path: Path) -> None:
    gallery = tmp_path / "g"
    shots = [save(tmp_path / "shots", "checks", number) for number in range(3)]
    asked = save(tmp_path / "asked", "dots", 77)
    readers = [
        subprocess.Popen(
            [sys.executable, "-c", RUN, "predict", str(bundle), str(asked), "--json", "--gallery", str(gallery)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for _ in range(4)
    ]
    assert edgefs("enroll", bundle, "checks", *shots, "--gallery", gallery).returncode == 0
    for reader in readers:
        out, err = reader.communicate(timeout=60)
        assert reader.returncode == 0, err
        assert json.loads(out)["nearest"] == "dots"


def test_a_check_writes_the_nearest_classs_thumbnails(bundle: Path, pictures: Pictures, tmp_path: Path) -> None:
    edgefs("enroll", bundle, "checks", *pictures("checks", 3), "--keep-images")
    shots = pictures("checks", 3, first=200)
    result = edgefs("enroll", bundle, "squares", *shots, "--check", "--show", tmp_path / "look", "--json")
    assert json.loads(result.stdout)["nearest"] == "checks"
    assert [Path(path).read_bytes()[:4] for path in json.loads(result.stdout)["thumbnails"]] == [b"\x89PNG"] * 3


def test_unlabelled_images_refine_or_say_that_they_do_not(bundle: Path, pictures: Pictures, tmp_path: Path) -> None:
    (unlabelled,) = {path.parent for path in pictures("stripes", 4, first=300)}
    result = edgefs("gallery", "refine", bundle, unlabelled)
    assert result.returncode == 0
    assert result.stdout.startswith(
        "Nothing refined: no unlabelled image belongs surely enough to a class of few images"
    )
    shots = [shot.rename(tmp_path / shot.name) for shot in pictures("checks", 3)]
    result = edgefs("enroll", bundle, "checks", *shots, "--unlabelled", unlabelled, "--json")
    assert "refined" in json.loads(result.stdout)
    nowhere = tmp_path / "nowhere"
    acts = (("gallery", "refine", bundle), ("realign", bundle), ("enroll", bundle, "checks", *shots, "--unlabelled"))
    before = edgefs("gallery", "log", bundle).stdout
    for act in acts:
        failed = edgefs(*act, nowhere)
        assert failed.returncode == 1
        assert failed.stderr.strip() == f"Error: {nowhere}: no such file or folder"
    assert edgefs("gallery", "log", bundle).stdout == before
