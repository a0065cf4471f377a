"""The workstation's commands from the shell's side, and help for all of them."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import click
import pytest
from click.testing import CliRunner, Result
from places import ROOT
from textures import save, write_set

pytest.importorskip("torch", reason="the workstation part is not installed")

from edgefs.cli import main
from edgefs.cli.group import COMMANDS


def edgefs(*arguments: object) -> Result:
    result = CliRunner().invoke(main, [*map(str, arguments)])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


def test_the_chain_from_a_folder_to_a_decision(tmp_path: Path) -> None:
    data = write_set(tmp_path / "parts", 9)
    adapted = edgefs("adapt", data, "-o", tmp_path / "run", "--backbone", "nano", "--shots", 4)
    assert adapted.exit_code == 0, adapted.output
    assert "overkill" in adapted.stdout
    assert "Learned from: 4 shots of each of 3 classes" in adapted.stderr
    exported = edgefs("export", tmp_path / "run", "-o", tmp_path / "p.edgefs")
    assert exported.exit_code == 0, exported.output
    assert "no labels changed" in exported.stdout
    evaluated = edgefs("evaluate", tmp_path / "p.edgefs", data, "--json", "--report", tmp_path / "e.html")
    assert json.loads(evaluated.stdout)["images"] == 15
    assert (tmp_path / "e.html").read_text().startswith("<!DOCTYPE html>")
    predicted = edgefs("predict", tmp_path / "p.edgefs", save(tmp_path, "dots", 99), "--json")
    assert json.loads(predicted.stdout)["nearest"] == "dots"


def test_adapt_json_is_one_object(tmp_path: Path) -> None:
    data = write_set(tmp_path / "parts", 6)
    result = edgefs("adapt", data, "-o", tmp_path / "run", "--backbone", "nano", "--shots", 3, "--json")
    (line,) = result.stdout.splitlines()
    assert json.loads(line)["test"]["nearest"]["accuracy"]["trials"] == 9


def test_the_demo_runs_on_a_folder_of_ones_own_and_its_next_command_works_as_printed(tmp_path: Path) -> None:
    data = write_set(tmp_path / "my parts", 12, ("good", "stripes", "dots", "checks"))
    result = edgefs(
        "demo", "--data", data, "-o", tmp_path / "out", "--keep-back", "checks", "--backbone", "nano", "--json"
    )
    assert result.exit_code == 0, result.output
    outcome = json.loads(result.stdout)
    assert outcome["label"] == "checks"
    assert outcome["loaded"] == "none"
    assert outcome["new_before"]["refused"]["trials"] == 7
    assert outcome["new_after"]["right"]["value"] > 0.8
    assert (tmp_path / "out" / "run" / "report.html").exists()
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    asked = subprocess.run(
        outcome["next"], shell=True, env={**os.environ, "PATH": path}, capture_output=True, text=True, check=False
    )
    assert asked.returncode == 0, asked.stderr
    assert re.match(r"(OK|NG) ", asked.stdout)


@pytest.mark.slow
def test_the_demo_on_rendered_parts(tmp_path: Path) -> None:
    outcome = json.loads(edgefs("demo", "-o", tmp_path / "out", "--json").stdout)
    assert outcome["known_before"]["right"]["value"] > 0.7
    assert outcome["new_after"]["right"]["value"] > 0.6
    assert outcome["loaded"] == "none"


ERRORS = {
    "no data": (lambda tmp: ("adapt", tmp / "gone", "-o", tmp / "run"), "nothing there"),
    "one class": (lambda tmp: ("adapt", write_set(tmp / "d", 3, ("dots",)), "-o", tmp / "run"), "only one class"),
    "too few": (
        lambda tmp: ("adapt", write_set(tmp / "d", 3), "-o", tmp / "run", "--shots", 5),
        "--shots 5 needs",
    ),
    "no RUN": (lambda tmp: ("export", tmp / "gone", "-o", tmp / "b.edgefs"), "no such folder"),
    "a file for a RUN": (lambda tmp: ("export", __file__, "-o", tmp / "b.edgefs"), "a file, expected a RUN folder"),
    "no subject": (lambda tmp: ("evaluate", tmp / "gone", tmp), "no such file"),
    "unknown backbone": (
        lambda tmp: ("adapt", write_set(tmp / "d", 3), "-o", tmp / "run", "--backbone", "resnet19"),
        "did you mean",
    ),
    "demo of two classes": (
        lambda tmp: ("demo", "--data", write_set(tmp / "d", 3, ("dots", "good")), "-o", tmp / "o"),
        "at least 3 are needed",
    ),
}


@pytest.mark.parametrize("fault", ERRORS)
def test_an_error_is_one_line_with_status_1(tmp_path: Path, fault: str) -> None:
    arguments, message = ERRORS[fault]
    result = edgefs(*arguments(tmp_path))
    assert result.exit_code == 1
    lines = [line for line in result.stderr.splitlines() if line.startswith("Error: ")]
    assert len(lines) == 1
    assert message in lines[0]
    assert not (tmp_path / "run").exists()


def commands() -> dict[str, click.Command]:
    found: dict[str, click.Command] = {}
    context = click.Context(main)
    for name in COMMANDS:
        command = main.get_command(context, name)
        assert command is not None
        found[name] = command
        if isinstance(command, click.Group):
            found.update({f"{name} {sub}": value for sub, value in command.commands.items()})
    return found


@pytest.mark.parametrize("name", sorted(commands()))
def test_every_command_has_help_and_stands_in_the_readme(name: str) -> None:
    result = CliRunner().invoke(main, [*name.split(), "--help"])
    assert result.exit_code == 0
    assert len(result.stdout.splitlines()) > 4
    assert re.search(rf"edgefs {name}\b", (ROOT / "README.md").read_text(encoding="utf-8"))


def test_the_readme_names_no_command_or_option_that_does_not_exist() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    known = commands()
    for line in re.findall(r"^(?:\$ )?edgefs (.+)$", text, re.MULTILINE):
        words = line.partition("#")[0].split()
        command = known.get(" ".join(words[:2])) or known.get(words[0])
        assert command is not None, line
        options = {option for parameter in command.params for option in (*parameter.opts, *parameter.secondary_opts)}
        used = {word for word in words if word.startswith("-")}
        assert used <= {*options, "--help"}, line
