"""`edgefs challenge` as a shell runs it, and what it stops."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest
from bundles import remade
from killing import NEVER, Ended, Launcher, Stop
from shell import edgefs
from textures import save

pytestmark = pytest.mark.device

Pictures = Callable[..., list[Path]]


@pytest.fixture
def gallery(tmp_path: Path) -> Path:
    return tmp_path / "g"


def test_add_list_run_and_remove(bundle: Path, pictures: Pictures, gallery: Path, tmp_path: Path) -> None:
    dots, good = *pictures("dots", 1), *pictures("good", 1)
    run = edgefs("challenge", "add", bundle, dots, "--expect", "NG", "--label", "dots", "--gallery", gallery)
    assert (run.returncode, run.stderr.strip()) == (0, "")
    assert run.stdout.startswith("Added dots-100.png (")
    assert run.stdout.endswith("): must get NG (dots), gets NG (dots) now\n")
    run = edgefs("challenge", "add", bundle, good, "--expect", "NG", "--gallery", gallery, "--actor", "Jo")
    assert run.stdout.endswith("gets OK (good) now, so it fails and guards nothing until it passes\n")
    first, second, last = edgefs("challenge", "list", bundle, "--gallery", gallery).stdout.splitlines()
    assert "NG (dots)  dots-100.png" in first
    assert second.endswith("by Jo")
    assert last == f"2 parts in {tmp_path / 'g.challenge'}"
    run = edgefs("challenge", "run", bundle, "--gallery", gallery)
    assert run.returncode == 1
    assert [line.split()[0] for line in run.stdout.splitlines()] == ["passes", "FAILS"]
    removed = edgefs("challenge", "remove", bundle, second.split()[0], "--gallery", gallery)
    assert removed.stdout == f"Removed good-100.png ({second.split()[0]}).\n"
    run = edgefs("challenge", "run", bundle, "--gallery", gallery)
    assert (run.returncode, len(run.stdout.splitlines())) == (0, 1)
    assert not gallery.exists()


def test_json_is_one_object_a_line(bundle: Path, pictures: Pictures, gallery: Path) -> None:
    at = ("--gallery", gallery, "--json")
    run = edgefs("challenge", "add", bundle, *pictures("dots", 2), "--expect", "NG", "--label", "dots", *at)
    added = [json.loads(line) for line in run.stdout.splitlines()]
    assert [(one["status"], one["name"], one["passes"]) for one in added] == [
        ("new", "dots-100.png", True),
        ("new", "dots-101.png", True),
    ]
    listed = [json.loads(line) for line in edgefs("challenge", "list", bundle, *at).stdout.splitlines()]
    assert [part["id"] for part in listed] == [one["id"] for one in added]
    assert all(Path(part["path"]).is_file() for part in listed)
    first, _ = (json.loads(line) for line in edgefs("challenge", "run", bundle, *at).stdout.splitlines())
    assert first == {key: value for key, value in added[0].items() if key != "status"}
    assert (first["expected"], first["expected_label"], first["verdict"], first["label"]) == (
        "NG",
        "dots",
        "NG",
        "dots",
    )
    (removed,) = edgefs("challenge", "remove", bundle, "dots-101.png", *at).stdout.splitlines()
    assert json.loads(removed) == {"id": added[1]["id"], "name": "dots-101.png"}


def test_a_part_that_is_kept_already_is_said_so(bundle: Path, pictures: Pictures, gallery: Path) -> None:
    add = ("challenge", "add", bundle, *pictures("dots", 1), "--gallery", gallery, "--expect")
    assert edgefs(*add, "NG").stdout.startswith("Added ")
    assert edgefs(*add, "NG").stdout.startswith("Kept already dots-100.png ")
    assert edgefs(*add, "OK").stdout.startswith("Replaced what was expected of dots-100.png ")
    assert len(edgefs("challenge", "list", bundle, "--gallery", gallery, "--json").stdout.splitlines()) == 1


def test_folders_labels_and_paths_may_be_chinese(bundle: Path, tmp_path: Path) -> None:
    gallery = tmp_path / "产线.gallery"
    for number in range(5):
        save(tmp_path / "新缺陷", "checks", number)
    assert edgefs("enroll", bundle, "划痕", tmp_path / "新缺陷", "--gallery", gallery).returncode == 0
    save(tmp_path / "样件" / "一", "checks", 300).rename(tmp_path / "样件" / "一" / "零件.png")
    run = edgefs(
        "challenge", "add", bundle, tmp_path / "样件", "--expect", "NG", "--label", "划痕", "--gallery", gallery
    )
    assert run.stdout.startswith("Added 零件.png")
    assert "gets NG (划痕) now" in run.stdout
    assert "零件.png" in (tmp_path / "产线.challenge" / "parts.json").read_text(encoding="utf-8")
    assert edgefs("challenge", "run", bundle, "--gallery", gallery).returncode == 0


def test_a_regression_stops_enroll_and_merge_until_forced(
    bundle: Path, pictures: Pictures, gallery: Path, tmp_path: Path
) -> None:
    other, shots = tmp_path / "other", pictures("checks", 5)
    edgefs("enroll", bundle, "B", *shots, "--as", "ok", "--gallery", other)
    edgefs("challenge", "add", bundle, *pictures("checks", 1, first=300), "--expect", "NG", "--gallery", gallery)
    enroll = ("enroll", bundle, "B", *shots, "--as", "ok", "--gallery", gallery)
    merge = ("gallery", "merge", bundle, other, "--gallery", gallery)
    for command, undone in ((enroll, "nothing was enrolled"), (merge, "nothing was merged")):
        run = edgefs(*command)
        (line,) = run.stderr.strip().splitlines()
        assert (run.returncode, run.stdout) == (1, "")
        assert line.startswith("Error: challenge part checks-300.png (")
        assert f"must get NG and would get OK (B); {undone}: to do it all the same, pass --force" in line
        assert not gallery.exists()
    assert edgefs(*merge, "--force").stdout == f"Merged {other}: 5 images of 1 class added (B).\n"
    assert edgefs("gallery", "undo", bundle, "--gallery", gallery).returncode == 0  # the part passes again
    assert edgefs(*enroll).returncode == 1
    assert edgefs(*enroll, "--force").returncode == 0


def test_check_names_the_parts_that_would_fail(bundle: Path, pictures: Pictures, gallery: Path) -> None:
    edgefs("challenge", "add", bundle, *pictures("checks", 1, first=300), "--expect", "NG", "--gallery", gallery)
    check = ("enroll", bundle, "good", *pictures("checks", 12), "--gallery", gallery, "--check")
    (line,) = [line for line in edgefs(*check).stdout.splitlines() if "challenge" in line]
    assert line.startswith("  challenge: checks-300.png (")
    assert line.endswith(") must get NG and would get OK (good); enroll needs --force")
    assert len(json.loads(edgefs(*check, "--json").stdout)["challenge"]) == 1


def test_a_bundle_that_spoils_a_part_is_refused_until_it_is_accepted(
    bundle: Path, pictures: Pictures, gallery: Path, tmp_path: Path
) -> None:
    (asked,) = pictures("checks", 1, first=300)
    edgefs("challenge", "add", bundle, asked, "--expect", "NG", "--gallery", gallery)
    other = remade(bundle, tmp_path / "other.edgefs", decision={"budget": 0.05, "unknown": "RECHECK"})
    run = edgefs("predict", other, asked, "--gallery", gallery)
    (line,) = run.stderr.strip().splitlines()
    assert (run.returncode, run.stdout) == (1, "")
    assert "checks-300.png" in line
    assert "must get NG and would get RECHECK (unknown), and passed under bundle" in line
    assert "`edgefs challenge run BUNDLE --accept`" in line
    run = edgefs("challenge", "run", other, "--gallery", gallery)
    assert run.returncode == 1
    assert "--accept accepts this one" in run.stderr
    assert edgefs("predict", other, asked, "--gallery", gallery).returncode == 1
    run = edgefs("challenge", "run", other, "--gallery", gallery, "--accept")
    assert (run.returncode, run.stderr.strip()) == (0, "")
    assert run.stdout.splitlines()[-1].startswith("Accepted bundle ")
    assert run.stdout.endswith(" as it is: 1 of 1 parts fail under it.\n")
    assert edgefs("predict", other, asked, "--gallery", gallery).returncode == 0


ERRORS: dict[str, Callable[[Path, Path], tuple[object, ...]]] = {
    "no such bundle": lambda bundle, tmp: ("list", tmp / "gone.edgefs"),
    "a missing image": lambda bundle, tmp: ("add", bundle, tmp / "gone.png", "--expect", "OK"),
    "no image": lambda bundle, tmp: ("add", bundle, save(tmp, "dots", 1), bundle, "--expect", "OK"),
    "an empty folder": lambda bundle, tmp: ("add", bundle, _made(tmp / "empty"), "--expect", "OK"),
    "a label": lambda bundle, tmp: ("add", bundle, save(tmp, "dots", 1), "--expect", "OK", "--label", "unknown"),
    "removing a stranger": lambda bundle, tmp: ("remove", bundle, "gone.png"),
}


def _made(folder: Path) -> Path:
    folder.mkdir()
    return folder


@pytest.mark.parametrize("fault", ERRORS)
def test_an_error_is_one_line_and_nothing_is_kept(bundle: Path, tmp_path: Path, gallery: Path, fault: str) -> None:
    run = edgefs("challenge", *ERRORS[fault](bundle, tmp_path), "--gallery", gallery)
    assert (run.returncode, run.stdout) == (1, "")
    (line,) = run.stderr.strip().splitlines()
    assert line.startswith("Error: ")
    assert not (tmp_path / "g.challenge").exists()


@pytest.mark.parametrize("arguments", [("add", "b", "i"), ("add", "b", "i", "--expect", "ng"), ("remove", "b"), ("x",)])
def test_wrong_usage_has_status_2(arguments: tuple[str, ...]) -> None:
    run = edgefs("challenge", *arguments)
    assert run.returncode == 2
    assert "Usage:" in run.stderr


def test_a_damaged_index_is_one_line_everywhere(bundle: Path, pictures: Pictures, gallery: Path) -> None:
    (dots,) = pictures("dots", 1)
    edgefs("challenge", "add", bundle, dots, "--expect", "NG", "--gallery", gallery)
    index = gallery.with_name("g.challenge") / "parts.json"
    index.write_bytes(index.read_bytes()[:-9])
    for command in (
        ("challenge", "list", bundle),
        ("challenge", "run", bundle),
        ("challenge", "add", bundle, dots, "--expect", "OK"),
        ("challenge", "remove", bundle, dots.name),
        ("predict", bundle, dots),
    ):
        run = edgefs(*command, "--gallery", gallery)
        (line,) = run.stderr.strip().splitlines()
        assert run.returncode == 1
        assert (
            line == f"Error: {index}: the index of the challenge parts is damaged; restore it, or move its folder away"
        )


@pytest.mark.skipif(os.name != "posix", reason="SIGKILL")
def test_add_killed_at_any_moment_leaves_a_readable_index(bundle: Path, tmp_path: Path) -> None:
    """The parts are there all or not at all, and whole."""
    shots = [save(tmp_path / "shots", "dots", number) for number in range(5)]
    with Launcher("edgefs.cli.challenge", "onnxruntime") as launcher:

        def add(gallery: Path, moment: int = NEVER) -> Ended:
            stop = Stop(moment, str(tmp_path))
            return launcher.run("challenge", "add", bundle, *shots, "--expect", "NG", "--gallery", gallery, stop=stop)

        moments, found = add(tmp_path / "whole" / "g").moments, []
        for moment in [*range(1, moments, moments // 9), moments]:
            gallery = tmp_path / str(moment) / "g"
            assert add(gallery, moment).status == -signal.SIGKILL
            listed = launcher.run("challenge", "list", bundle, "--gallery", gallery, "--json")
            assert listed.status == 0
            parts = [json.loads(line) for line in listed.printed.splitlines()]
            assert all(Path(part["path"]).stat().st_size > 0 for part in parts)
            found.append(len(parts))
        assert set(found) == {0, 5}
        assert add(tmp_path / "1" / "g").status == 0
        assert launcher.run("predict", bundle, *shots, "--gallery", tmp_path / "1" / "g").status == 0
