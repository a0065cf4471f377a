"""Every command is told of files, labels, actors and reasons that would move the cursor or forge a line: none does."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import click
import pytest
from bundles import remade
from click.testing import CliRunner
from small_backbone import tiny
from textures import save, write_set

from edgefs.cli import main
from edgefs.cli.group import ON_THE_DEVICE, ON_THE_WORKSTATION

__all__ = ["tiny"]  # a fixture

EVIL = "a\nFORGED\r\x1b[2J\x9b1m\x85\u202e\u2028b"
RAW = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]")
Told = Callable[..., str]


@pytest.fixture
def told() -> Iterator[Told]:
    """`told(0, "verify", bundle)`: a command with its exit status; in what it prints nothing foreign is raw."""

    def run(status: int, *arguments: object) -> str:
        ran = CliRunner().invoke(main, [*map(str, arguments)])
        assert ran.exit_code == status, (arguments, ran.output, ran.exception)
        assert not RAW.search(ran.output), ascii(ran.output)
        assert not re.search("^FORGED", ran.output, re.MULTILINE), ascii(ran.output)
        return ran.output

    return run


def commands(names: dict[str, str]) -> set[str]:
    """All commands, and those of groups in their place."""
    found = set()
    for name in names:
        command = main.get_command(click.Context(main), name)
        parts = command.commands if isinstance(command, click.Group) else {"": None}
        found |= {f"{name} {part}".strip() for part in parts}
    return found


@pytest.mark.device
def test_commands_of_the_device(bundle: Path, tmp_path: Path, told: Told) -> None:
    folder = tmp_path / EVIL
    folder.mkdir()
    evil = remade(bundle, folder / f"{EVIL}.edgefs", method=EVIL)
    other = Path(shutil.copy(evil, folder / f"other{EVIL}.edgefs"))
    pictures = [save(folder, "checks", number).rename(folder / f"{EVIL}{number}.png") for number in range(4)]
    (broken := folder / f"{EVIL}.jpg").write_bytes(b"no picture")
    gallery, copy = folder / "x.gallery", folder / "copy.gallery"
    here = (evil, "--gallery", gallery)
    by = ("--actor", EVIL, "--reason", EVIL)
    seen = told(0, "verify", evil) + told(0, "show", evil) + told(1, "engine", evil)
    assert r"a\nFORGED\r\x1b[2J\x9b1m\x85\u202e\u2028b" in seen
    told(0, "bench", evil, "--image", pictures[0], "--frames", 1)
    told(0, "enroll", evil, "checks", *pictures, "--check", "--gallery", gallery)
    told(0, "enroll", evil, "checks", *pictures[:2], "--gallery", gallery, *by)
    told(1, "enroll", evil, "checks", broken, "--gallery", gallery)
    told(1, "enroll", evil, EVIL, *pictures, "--gallery", gallery)
    told(1, "predict", *here, *pictures, broken)
    told(1, "predict", *here, *pictures, broken, "--csv", "-")
    shown = told(1, "predict", *here, pictures[0], broken, "--json")
    assert [json.loads(line)["path"] for line in shown.splitlines()] == [str(pictures[0]), str(broken)]
    told(1, "realign", evil, *pictures, "--check", "--gallery", gallery)
    told(0, "challenge", "add", *here, pictures[3], "--expect", "NG", "--label", "checks", "--actor", EVIL)
    told(0, "challenge", "list", *here)
    told(0, "challenge", "run", *here)
    told(0, "challenge", "remove", *here, pictures[3].name)
    told(0, "gallery", "log", *here, "--csv")
    told(0, "gallery", "log", *here, "--json")
    told(0, "gallery", "backup", evil, copy, "--gallery", gallery)
    told(0, "enroll", evil, "waits", pictures[2], "--pending", "--force", "--gallery", gallery, "--actor", "Jo")
    told(0, "gallery", "approve", evil, 2, "--gallery", gallery, *by)
    told(0, "gallery", "remove", evil, pictures[2], "--gallery", gallery, *by)
    told(0, "gallery", "undo", *here, *by)
    told(0, "gallery", "merge", evil, copy, "--gallery", gallery, *by)
    told(0, "gallery", "refine", *here, *pictures, *by)
    told(0, "gallery", "forget", evil, "checks", "--gallery", gallery, *by)
    told(1, "gallery", "forget", evil, EVIL, "--gallery", gallery, *by)
    assert told(0, "gallery", "log", *here).count(r"by a\nFORGED") == 6
    told(0, "gallery", "classes", *here)
    told(0, "gallery", "check", *here)
    told(0, "gallery", "compact", *here)
    told(0, "gallery", "export", evil, folder / "out.npz", "--gallery", gallery)
    told(0, "gallery", "repair", *here)
    told(0, "gallery", "restore", evil, copy, "--gallery", gallery, *by)
    told(1, "gallery", "carry", other, "--from", broken, "--gallery", folder / "new.gallery", *by)


@pytest.mark.device
def test_every_command_of_the_device_stands_above() -> None:
    source = Path(__file__).read_text(encoding="utf-8").replace('", "', " ").replace('", ', " ")
    assert [name for name in commands(ON_THE_DEVICE) if not re.search(rf"told\(\d, \"{name}\b", source)] == []


@pytest.mark.device
def test_what_was_typed_is_shown_where_it_is_no_command_or_option(told: Told) -> None:
    for words in (
        (EVIL,),
        ("predict", f"--{EVIL}"),
        ("gallery", EVIL),
        ("verify", "a", EVIL),
        ("verify", "--provider", EVIL),
    ):
        told(2, *words)


def test_commands_of_the_workstation(tmp_path: Path, told: Told) -> None:
    pytest.importorskip("torch", reason="the workstation part is not installed")
    data = write_set(tmp_path / EVIL / "parts", 5, ("good", "dots"))
    (data / "dots" / f"{EVIL}.png").write_bytes(b"no picture")
    (data / "dots" / f"{EVIL}.txt").touch()
    run, bundle, asked = data.parent / "run", data.parent / f"{EVIL}.edgefs", ("--backbone", "tiny")
    told(0, "look", data, "-o", data.parent / "sheet.html")
    told(0, "adapt", data, "-o", run, *asked, "--shots", 3, "--dim", 0, "--symmetry", "none")
    told(1, "adapt", data, "-o", run, *asked)
    told(0, "export", run, "-o", bundle)
    told(0, "evaluate", bundle, data, "--report", data.parent / "report.html")
    told(1, "evaluate", run / EVIL, data)
    told(1, "distill", data / "dots" / f"{EVIL}.txt", "-o", data.parent / "student")
    told(1, "demo", "--data", data / EVIL, "-o", data.parent / "demo")
    assert commands(ON_THE_WORKSTATION) == {"look", "adapt", "export", "evaluate", "distill", "demo"}
