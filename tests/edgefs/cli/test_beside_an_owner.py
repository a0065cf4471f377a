"""Commands beside a process that owns the gallery: it does what they ask for, and they print what they always do."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from bundles import remade
from click.testing import CliRunner, Result
from owners import OwnerProcess
from shell import edgefs

from edgefs.cli import main
from edgefs_runtime import Classifier
from edgefs_runtime.base.state import socket_folder

pytestmark = [
    pytest.mark.device,
    pytest.mark.skipif(sys.platform != "linux", reason="another process is asked on Linux alone"),
]

Pictures = Callable[..., list[Path]]


def run(*arguments: object) -> Result:
    """In this process, which is quicker than a shell."""
    result = CliRunner().invoke(main, [str(argument) for argument in arguments])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result


def said(result: Result, folder: Path) -> tuple[int, str, str]:
    """What a command said, without what differs between two runs: folders, times, names of devices, sizes of files."""

    def masked(text: str) -> str:
        text = text.replace(str(folder), "HERE")
        text = re.sub(r"\d{4}-\d\d-\d\dT[\d:.+]+", "TIME", text)
        text = re.sub(r"[0-9a-f]{8,64}", "HEX", text)
        return re.sub(r"[\d,]+ bytes before, [\d,]+ now", "SIZES", text)

    return result.exit_code, masked(result.stdout), masked(result.stderr)


@pytest.fixture
def checks(pictures: Pictures) -> list[Path]:
    return pictures("checks", 5)


@pytest.fixture
def commands(bundle: Path, pictures: Pictures, tmp_path: Path) -> list[list[object]]:
    """A life of a gallery: commands that succeed, and commands that are refused, `HERE` being its folder."""
    more, dots = pictures("checks", 2, first=200), pictures("dots", 3)
    stranger, part = tmp_path / "elsewhere" / "g", pictures("checks", 1, first=300)[0]
    run("enroll", bundle, "extra", *pictures("checks", 2, first=400), "--force", "--gallery", stranger)
    return [
        ["enroll", bundle, "checks", *more, "--actor", "ann", "--reason", "more of them"],
        ["enroll", bundle, "new", *dots],
        ["enroll", bundle, "new", *dots, "--force", "--json"],
        ["enroll", bundle, "new", *dots, "--force", "--as", "ok", "--keep-images"],
        ["enroll", bundle, "later", *dots, "--force", "--pending", "--actor", "ann"],
        ["gallery", "approve", bundle, "5", "--actor", "ann", "--reason", "mine"],
        ["gallery", "approve", bundle, "5", "--actor", "bob", "--reason", "looked at"],
        ["gallery", "approve", bundle, "99", "--actor", "bob", "--reason", "none"],
        ["gallery", "remove", bundle, more[0]],
        ["gallery", "remove", bundle, "5.2", "--json"],
        ["gallery", "forget", bundle, "new", "--actor", "é\x1b[2J"],
        ["gallery", "forget", bundle, "new"],
        ["gallery", "undo", bundle, "--json"],
        ["gallery", "refine", bundle, *pictures("good", 3)],
        ["realign", bundle, *pictures("good", 12), *pictures("stripes", 12), "--kind", "mean", "--force"],
        ["realign", bundle, part, "--check"],
        ["gallery", "merge", bundle, stranger],
        ["gallery", "merge", bundle, stranger],
        ["gallery", "merge", bundle, tmp_path / "none"],
        ["gallery", "undo", bundle],
        ["challenge", "add", bundle, part, "--expect", "NG", "--label", "checks"],
        ["gallery", "forget", bundle, "checks"],
        ["gallery", "forget", bundle, "checks", "--force"],
        ["challenge", "run", bundle],
        ["gallery", "undo", bundle],
        ["gallery", "compact", bundle, "--keep", "0"],
        ["enroll", bundle, "checks", *more, "--check", "--show", tmp_path / "shown"],
        ["gallery", "classes", bundle],
        ["gallery", "log", bundle],
        ["gallery", "check", bundle],
        ["gallery", "backup", bundle, "HERE/copy"],
        ["predict", bundle, part, *more],
    ]


def test_commands_say_beside_an_owner_what_they_say_alone(
    bundle: Path, checks: list[Path], commands: list[list[object]], tmp_path: Path
) -> None:
    alone, beside = tmp_path / "alone", tmp_path / "beside"
    run("enroll", bundle, "checks", *checks, "--gallery", alone / "g")
    with Classifier.open(bundle, gallery=beside / "g") as owner:
        owner.enroll("checks", checks)
        for command in commands:
            both = []
            for folder in (alone, beside):
                arguments = [str(one).replace("HERE", str(folder)) for one in command]
                both.append(said(run(*arguments, "--gallery", folder / "g"), folder))
            assert both[0] == both[1], command
        counted = owner.judge.snapshot.counts
        health = owner.gallery.check()
    assert health == []
    with Classifier.open(bundle, gallery=alone / "g") as other:
        assert other.judge.snapshot.counts == counted


def test_a_command_of_another_process_changes_what_the_owner_decides(
    bundle: Path, checks: list[Path], pictures: Pictures, tmp_path: Path
) -> None:
    gallery, asked = tmp_path / "g", pictures("checks", 1, first=300)[0]
    with OwnerProcess(bundle, gallery, pictures("dots", 1)) as owner:
        assert owner.do("predict", asked) == "unknown"
        taught = run("enroll", bundle, "checks", *checks, "--gallery", gallery)
        assert (taught.exit_code, taught.stderr) == (0, "")
        assert taught.stdout == f"Enrolled 5 images of checks (new class, defect) in {gallery}\n"
        assert owner.do("predict", asked) == "checks"
        assert run("predict", bundle, asked, "--gallery", gallery).stdout.startswith("NG           checks")
        assert run("gallery", "undo", bundle, "--gallery", gallery).exit_code == 0
        assert owner.do("predict", asked) == "unknown"
    assert not socket_folder(gallery).exists()
    assert run("gallery", "check", bundle, "--gallery", gallery).exit_code == 0


def test_an_owner_that_does_not_answer_is_named_and_does_nothing_later(
    bundle: Path, checks: list[Path], tmp_path: Path
) -> None:
    gallery = tmp_path / "g"
    with OwnerProcess(bundle, gallery, checks[:1]) as owner:
        with owner.stopped():
            result = run("gallery", "undo", bundle, "--wait", "0.1", "--gallery", gallery)
        assert result.exit_code == 1
        assert re.fullmatch(
            rf"Error: gallery {gallery} is owned by process {owner.pid} .*, which has not begun this act "
            r"\(waited 0.1 s; --wait SECONDS waits longer\); stop it, or try again\n",
            result.stderr,
        )
        assert owner.do("sequence") == 1
        assert run("gallery", "undo", bundle, "--gallery", gallery).exit_code == 0
        assert owner.do("sequence") == 2


def test_a_command_itself_is_nobodys_owner_to_ask(bundle: Path, checks: list[Path], tmp_path: Path) -> None:
    gallery = tmp_path / "g"
    assert run("enroll", bundle, "checks", *checks, "--gallery", gallery).exit_code == 0
    assert not socket_folder(gallery).exists()


def test_a_cold_predict_loads_nothing_of_it_nor_of_what_it_need_not_do(
    bundle: Path, checks: list[Path], tmp_path: Path
) -> None:
    """It asks nobody, looks at no stranger's network where the self-test is noted, and mends nothing."""
    rooms = ("asking", "base.graph", "base.onnx_gate", "gallery.many", "gallery.carving", "teach", "carrying")
    unneeded = tuple(f"edgefs_runtime.{room}" for room in rooms)
    code = (
        "import sys\nfrom edgefs.cli import main\ntry:\n    main()\nfinally:\n"
        f"    print([name for name in sys.modules if name.startswith({unneeded!r}) or name == 'selectors'])"
    )
    gallery = tmp_path / "g"
    with Classifier.open(bundle, gallery=gallery) as owner:
        owner.enroll("checks", checks)
        assert edgefs("predict", bundle, checks[0], "--gallery", gallery, code=code).stdout.endswith("\n[]\n")


@pytest.mark.parametrize("keeps", [True, False])
def test_carrying_over_beside_an_owner(bundle: Path, checks: list[Path], tmp_path: Path, keeps: bool) -> None:
    """The new bundle's gallery is owned; what the old one was taught is carried into it by a command beside that."""
    preprocess = {**Classifier.open(bundle).bundle.manifest.raw["preprocess"], "interpolation": "bicubic"}
    new, old = remade(bundle, tmp_path / "new.edgefs", preprocess=preprocess), tmp_path / "old" / "g"
    run("enroll", bundle, "checks", *checks, "--gallery", old, *(["--keep-images"] if keeps else []))
    told = []
    for place in ("alone", "beside"):
        folder = tmp_path / place
        with Classifier.open(new, gallery=folder / "g") as owner:
            owner.enroll("more", checks[:1], force=True)
            if place == "alone":
                owner.close()
            for options in (["--check"], [], []):
                result = run("gallery", "carry", new, "--from", old, *options, "--gallery", folder / "g")
                told.append((place, said(result, folder)))
    half = len(told) // 2
    assert [one for _, one in told[:half]] == [one for _, one in told[half:]]
