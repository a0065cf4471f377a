"""The doors: `edgefs`, `python -m edgefs`, versions, slips of the pen, and help where torch is not installed."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from importlib.metadata import metadata
from pathlib import Path

import pytest
from click.testing import CliRunner

import edgefs
import edgefs_calibration
import edgefs_export
import edgefs_runtime
from edgefs.cli import main
from edgefs.cli.group import COMMANDS, ON_THE_WORKSTATION

pytestmark = pytest.mark.device
# The modules of the extra are not there for this process, as on a device.
BARE = """
import json, sys
from edgefs.cli.endings import WORKSTATION
sys.modules.update(dict.fromkeys((*WORKSTATION, "tomli"), None))
from edgefs.cli import main
for arguments in json.loads(sys.argv[1]):
    try:
        main(arguments, prog_name="edgefs")
    except SystemExit as end:
        print(f"== {end.code}", flush=True)
"""


def bare(*commands: list[str]) -> list[tuple[str, int]]:
    """What each command prints, and its status."""
    run = subprocess.run(
        [sys.executable, "-c", BARE, json.dumps(commands)], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=True
    )
    parts = re.split(r"== (\d)\n", run.stdout.decode())
    return [(said, int(status)) for said, status in zip(parts[::2], parts[1::2], strict=False)]


@pytest.mark.parametrize("flag", ["--version", "-V"])
def test_the_version_is_one_everywhere(flag: str) -> None:
    said = CliRunner().invoke(main, [flag]).stdout
    assert said == f"edgefs {edgefs.__version__}\n"
    assert edgefs.__version__ == edgefs_runtime.__version__ == metadata("edgefs")["Version"]


def test_python_m_edgefs_is_the_command() -> None:
    run = subprocess.run([sys.executable, "-m", "edgefs", "-h"], capture_output=True, text=True, check=True)
    assert run.stdout.startswith("Usage: edgefs [OPTIONS] COMMAND")
    assert run.stderr == ""


@pytest.mark.parametrize("package", [edgefs, edgefs_runtime, edgefs_export, edgefs_calibration])
def test_type_checkers_are_told_that_there_are_types(package: object) -> None:
    assert (Path(str(package.__file__)).parent / "py.typed").is_file()  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        (["predcit", "b.edgefs"], "Did you mean predict?"),
        (["Adapt"], "Did you mean adapt?"),
        (["enrol"], "Did you mean enroll?"),
        (["xyzzy"], "`edgefs --help` lists them."),
        (["show", "b.edgefs", "--jsno"], "Did you mean '--json'?"),
        (["adapt", "parts", "-o", "run", "--shot", "5"], "--shots"),
    ],
)
def test_a_slip_of_the_pen_is_answered_with_what_may_be_meant(typed: list[str], meant: str) -> None:
    said = CliRunner().invoke(main, typed)
    assert said.exit_code == 2
    assert meant in said.stderr


def test_every_help_works_without_the_workstation_part_and_says_what_it_needs() -> None:
    helps = bare(*([name, "--help"] for name in COMMANDS))
    assert [status for _, status in helps] == [0] * len(COMMANDS)
    needing = [
        name for name, (said, _) in zip(COMMANDS, helps, strict=True) if 'pip install "edgefs[workstation]"' in said
    ]
    assert needing == list(ON_THE_WORKSTATION)


def test_a_command_of_the_workstation_says_how_to_get_it(tmp_path: Path) -> None:
    folder, out = str(tmp_path), str(tmp_path / "out")
    given = [["demo", "-o", out], ["evaluate", folder, folder]]
    given += [[name, folder, "-o", out] for name in ("adapt", "distill", "export")]
    for said, status in bare(*given):
        assert status == 1
        (line,) = said.splitlines()
        assert line.startswith("Error: ")
        assert 'pip install "edgefs[workstation]"' in line
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("group", [(), ("gallery",), ("challenge",)])
def test_without_a_command_the_help_has_its_lines(group):
    run = CliRunner().invoke(main, list(group))
    assert "\nOptions:\n" in run.output
    assert "\\n" not in run.output
