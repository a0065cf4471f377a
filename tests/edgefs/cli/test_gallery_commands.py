"""`edgefs gallery` and what its neighbours say of one: carrying over, the log, reading where nothing is written."""

from __future__ import annotations

import csv
import io
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from bundles import remade
from click.testing import CliRunner, Result
from shell import RUN
from textures import save

from edgefs.cli import main
from edgefs_runtime.base.state import gallery_path
from edgefs_runtime.gallery import Gallery
from edgefs_runtime.gallery.belonging import seed_of
from edgefs_runtime.gallery.owner import owner_path

pytestmark = pytest.mark.device

Pictures = Callable[..., list[Path]]
ONE, TWO = "1a" * 32, "2b" * 32


def run(*arguments: object) -> Result:
    """In this process, which is quicker than a shell."""
    result = CliRunner().invoke(main, [str(argument) for argument in arguments])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result


def test_two_products_of_one_name_never_meet(bundle: Path, pictures: Pictures, tmp_path: Path) -> None:
    one, two = (remade(bundle, tmp_path / f"{i[:2]}.edgefs", identity=i, name="images") for i in (ONE, TWO))
    asked = pictures("checks", 1, first=300)
    before = run("predict", two, *asked).stdout
    assert run("enroll", one, "checks", *pictures("checks", 5)).exit_code == 0
    assert run("predict", two, *asked).stdout == before
    assert "nothing to undo" in run("gallery", "undo", two).stderr
    assert "checks" in run("gallery", "classes", one).stdout


def test_a_name_of_a_hundred_chinese_letters_predicts_and_enrolls(
    bundle: Path, pictures: Pictures, tmp_path: Path
) -> None:
    for number, identity in enumerate(("", ONE)):
        named = remade(bundle, tmp_path / f"{number}.edgefs", name="缺" * 100, identity=identity)
        assert run("predict", named, *pictures("dots", 1)).exit_code == 0
        assert run("enroll", named, "checks", *pictures("checks", 3)).exit_code == 0
        assert "checks" in run("gallery", "classes", named).stdout
        assert run("challenge", "add", named, *pictures("dots", 1), "--expect", "NG").exit_code == 0


@pytest.mark.parametrize("kind", ["a folder", "a bundle", "there is no gallery file"])
def test_what_is_merged_is_a_gallery(bundle: Path, tmp_path: Path, kind: str) -> None:
    other = {"a folder": tmp_path, "a bundle": bundle}.get(kind, tmp_path / "gone.gallery")
    merged = run("gallery", "merge", bundle, other)
    assert merged.exit_code == 1
    assert kind in merged.stderr
    assert merged.stderr.endswith(
        "; expected the gallery's file of the other device, which `edgefs gallery classes` names there\n"
    )


def test_carrying_over_is_one_act_with_a_report(bundle: Path, pictures: Pictures, tmp_path: Path) -> None:
    new = remade(bundle, tmp_path / "new.edgefs", identity=ONE)
    run("enroll", bundle, "checks", *pictures("checks", 5))
    said = run("predict", new, *pictures("dots", 1)).stderr
    (line,) = said.splitlines()
    assert line.startswith("Warning: new.edgefs does not use 1 class taught in textures.gallery (checks): `edgefs ")
    check = run("gallery", "carry", new, "--check").stdout.splitlines()
    assert check[0].startswith("Would carry over 5 images of 1 class from ")
    carried = run("gallery", "carry", new, "--from", bundle, "--actor", "Jo", "--reason", "new export")
    assert carried.stdout.splitlines()[1:] == [
        "  checks: 5 images as embedded before",
        "  both bundles have the same network and see alike",
        "  decisions about 5 images: none changed (each as if its part had not been taught)",
    ]
    assert carried.stderr == ""
    assert run("predict", new, *pictures("dots", 1)).stderr == ""
    (entry,) = [json.loads(line) for line in run("gallery", "log", new, "--json").stdout.splitlines()]
    assert (entry["kind"], entry["actor"], entry["images"], entry["classes"]) == ("carry", "Jo", 5, 1)
    assert run("gallery", "undo", new).stdout.startswith(
        "Undone: took back what was carried over from textures.gallery"
    )
    assert "checks" not in run("gallery", "classes", new).stdout


def test_beginning_afresh_silences_the_word(bundle: Path, pictures: Pictures, tmp_path: Path) -> None:
    new = remade(bundle, tmp_path / "new.edgefs", identity=ONE)
    run("enroll", bundle, "checks", *pictures("checks", 2))
    assert run("gallery", "carry", new, "--fresh").exit_code == 0
    assert run("predict", new, *pictures("dots", 1)).stderr == ""
    assert "checks" not in run("gallery", "classes", new).stdout
    assert run("gallery", "carry", new, "--fresh", "--check").exit_code == 2


def test_a_merge_is_told_in_images_logged_and_undone_whole(bundle: Path, pictures: Pictures, tmp_path: Path) -> None:
    ours, theirs = ("--gallery", tmp_path / "ours"), ("--gallery", tmp_path / "theirs")
    run("enroll", bundle, "rings", *pictures("checks", 3, first=200), *ours)
    run("enroll", bundle, "checks", *pictures("checks", 5), "--force", *theirs)
    run("gallery", "forget", bundle, "dots", *theirs)
    merge = ("gallery", "merge", bundle, tmp_path / "theirs", "--actor", "Jo", "--reason", "shift B", *ours)
    said = "5 images of 1 class added (checks), 8 images of 1 class taken away (dots)"
    assert run(*merge).stdout == f"Merged {tmp_path / 'theirs'}: {said}.\n"
    assert run(*merge).stdout == f"Merged {tmp_path / 'theirs'}: nothing that is not here already.\n"
    last = run("gallery", "log", bundle, *ours).stdout.splitlines()[-1]
    assert last.endswith("merge    +5 -8       2  checks, dots  by Jo  shift B")
    assert said in run("gallery", "undo", bundle, *ours).stdout
    assert run("gallery", "log", bundle, *ours).stdout.splitlines()[-1].endswith("undo     +8 -5       2  checks, dots")
    counts = {row["label"]: row["images"] for row in rows(run("gallery", "classes", bundle, "--json", *ours))}
    assert counts == {"dots": 8, "good": 8, "rings": 3, "stripes": 8}


def rows(result: Result) -> list[dict[str, object]]:
    return [json.loads(line) for line in result.stdout.splitlines()]


def test_the_log_is_a_table_for_other_programs_too(bundle: Path, pictures: Pictures) -> None:
    assert run("gallery", "log", bundle).stdout == "Nothing was taught on this device yet.\n"
    assert run("gallery", "log", bundle, "--csv").stdout.count("\n") == 1
    run("enroll", bundle, "a, b", *pictures("checks", 2), "--reason", 'the "new" die')
    (entry,) = csv.DictReader(io.StringIO(run("gallery", "log", bundle, "--csv").stdout))
    assert (entry["kind"], entry["label"], entry["images"], entry["classes"]) == ("enroll", "a, b", "2", "1")
    assert entry["reason"] == 'the "new" die'
    assert run("gallery", "log", bundle, "--csv", "--json").exit_code == 2


def test_the_log_computes_nothing_and_nobody_can_forge_an_act_in_it(bundle: Path, pictures: Pictures) -> None:
    run(
        "enroll", bundle, "=1+1", *pictures("checks", 2), "--actor", "+Jo", "--reason", "new die\n2026  forget  \x1b[2K"
    )
    (entry,) = csv.DictReader(io.StringIO(run("gallery", "log", bundle, "--csv").stdout))
    assert (entry["label"], entry["actor"]) == ("'=1+1", "'+Jo")
    _, line = run("gallery", "log", bundle).stdout.splitlines()
    assert line.endswith(r"=1+1  by +Jo  new die\n2026  forget  \x1b[2K")


def test_check_takes_a_bundle_or_a_gallerys_file(bundle: Path, pictures: Pictures, tmp_path: Path) -> None:
    path = gallery_path("textures")
    assert run("gallery", "check", bundle).stdout.startswith(f"{path}: not made yet")
    run("enroll", bundle, "checks", *pictures("checks", 2))
    for arguments in ((bundle,), (path,), (bundle, "--gallery", path)):
        assert run("gallery", "check", *arguments).stdout == f"{path}: whole\n"
    assert run("gallery", "check", bundle, "--gallery", tmp_path / "gone").exit_code == 1
    path.write_bytes(path.read_bytes()[:-5000])
    result = run("gallery", "check", bundle)
    *problems, last = result.stdout.splitlines()
    assert (result.exit_code, last) == (1, f"{path}: {len(problems)} problems")
    assert "some of the file's pages can't be read" in problems


UNWRITABLE = {"below a file": None, "where no folder can be made": "/proc/edgefs"}


@pytest.mark.parametrize("place", UNWRITABLE)
def test_what_only_reads_needs_no_state_folder(
    bundle: Path, pictures: Pictures, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    (tmp_path / "file").write_text("x")
    monkeypatch.setenv("EDGEFS_STATE", UNWRITABLE[place] or str(tmp_path / "file" / "state"))
    new = remade(bundle, tmp_path / "new.edgefs", identity=ONE, succeeds=TWO)
    (dots,) = pictures("dots", 1)
    for opened in (bundle, new):
        for command in (
            ("predict", opened, dots),
            ("enroll", opened, "checks", *pictures("checks", 3), "--check"),
            ("gallery", "classes", opened),
            ("gallery", "log", opened),
            ("gallery", "check", opened),
            ("gallery", "export", opened, tmp_path / "g.npz"),
            ("challenge", "list", opened),
            ("challenge", "run", opened),
            ("show", opened),
            ("verify", opened),
        ):
            result = run(*command)
            assert (result.exit_code, result.stderr) == (0, ""), command
        result = run("enroll", opened, "checks", *pictures("checks", 3))
        assert (result.exit_code, result.stderr.count("\n")) == (1, 1)


def test_parts_that_fail_under_a_new_bundle_stop_deciding_and_not_looking(
    bundle: Path, pictures: Pictures, tmp_path: Path
) -> None:
    (asked,) = pictures("checks", 1, first=300)
    at = ("--gallery", tmp_path / "g")
    run("enroll", bundle, "rings", *pictures("checks", 3, first=400), *at)
    run("gallery", "undo", bundle, *at)
    run("challenge", "add", bundle, asked, "--expect", "NG", *at)
    other = remade(bundle, tmp_path / "other.edgefs", decision={"budget": 0.05, "unknown": "RECHECK"})
    for command in (("predict", other, asked), ("enroll", other, "a", asked), ("gallery", "undo", other)):
        result = run(*command, *at)
        assert result.exit_code == 1
        assert "`edgefs challenge run BUNDLE --accept`" in result.stderr
    for command in (
        ("gallery", "classes", other),
        ("gallery", "log", other),
        ("gallery", "check", other),
        ("gallery", "export", other, tmp_path / "g.npz"),
        ("challenge", "list", other),
    ):
        assert run(*command, *at).exit_code == 0
    assert run("show", other).exit_code == 0
    accepted = run("challenge", "run", other, "--accept", "--json", *at)
    assert accepted.exit_code == 0
    assert len(rows(accepted)) == 1
    assert accepted.stderr.startswith("Accepted bundle ")
    assert run("predict", other, asked, *at).exit_code == 0


def test_undo_and_forget_are_guarded_like_every_act(bundle: Path, pictures: Pictures, tmp_path: Path) -> None:
    at = ("--gallery", tmp_path / "g")
    run("enroll", bundle, "checks", *pictures("checks", 5), *at)
    run("challenge", "add", bundle, *pictures("checks", 1, first=300), "--expect", "NG", "--label", "checks", *at)
    for command, undone in ((("undo", bundle), "undone"), (("forget", bundle, "checks"), "forgotten")):
        result = run("gallery", *command, *at)
        assert result.exit_code == 1
        assert f"would get NG (unknown); nothing was {undone}: to do it all the same, pass --force" in result.stderr
    assert run("gallery", "undo", bundle, "--force", *at).exit_code == 0


def test_the_second_of_two_enrolments_waits_for_the_first(bundle: Path, tmp_path: Path) -> None:
    """Both begin together; each is acknowledged, and nothing of either is lost."""
    gallery = tmp_path / "g"
    commands = []
    for kind in ("checks", "dots"):
        shots = [str(save(tmp_path / kind, kind, number)) for number in range(3)]
        enroll = ["enroll", str(bundle), f"new {kind}", *shots, "--force", "--wait", "60", "--gallery", str(gallery)]
        commands.append([sys.executable, "-c", RUN, *enroll])
    running = [subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) for command in commands]
    assert [process.communicate()[1] and process.returncode for process in running] == [0, 0]
    counts = {
        row["label"]: row["images"] for row in rows(run("gallery", "classes", bundle, "--json", "--gallery", gallery))
    }
    assert counts["new checks"] == counts["new dots"] == 3
    assert not owner_path(gallery).exists()


def test_who_can_wait_no_longer_is_told_whom_for(bundle: Path, pictures: Pictures, tmp_path: Path) -> None:
    from edgefs_runtime.bundle.bundle import Bundle

    gallery = tmp_path / "g"
    shots = [str(path) for path in pictures("checks", 2)]
    with Gallery.open(gallery, seed_of(Bundle.open(bundle))):
        command = [sys.executable, "-c", RUN, "enroll", str(bundle), "a", *shots, "--wait", "0.2"]
        result = subprocess.run([*command, "--gallery", str(gallery)], capture_output=True, text=True, check=False)
        (line,) = result.stderr.rpartition("\nloaded ")[0].strip().splitlines()
        assert result.returncode == 1
        assert line.startswith(f"Error: gallery {gallery} is owned by process {os.getpid()} (`")
        assert line.endswith("(waited 0.2 s; --wait SECONDS waits longer)")
        assert run("gallery", "log", bundle, "--gallery", gallery).exit_code == 0  # who only looks need not wait


@pytest.mark.parametrize("stale", [b"", b"no JSON", b'{"pid": 4194305, "host": "", "started": "1", "command": ""}'])
def test_the_note_of_a_killed_owner_does_not_lie(bundle: Path, tmp_path: Path, stale: bytes) -> None:
    from edgefs_runtime.bundle.bundle import Bundle
    from edgefs_runtime.gallery.owner import owner_of

    gallery = tmp_path / "g"
    host = json.dumps(__import__("platform").node()).encode()
    owner_path(gallery).write_bytes(stale.replace(b'"host": ""', b'"host": ' + host))
    assert owner_of(gallery).startswith("another process")
    with Gallery.open(gallery, seed_of(Bundle.open(bundle))):
        assert owner_of(gallery).startswith(f"this process, {os.getpid()}")
    assert not owner_path(gallery).exists()
