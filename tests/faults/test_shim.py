"""What stands between the product and the disk does what it is told."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from faults.disk import read_log
from faults.shim import can_build

TOOLS = Path(__file__).parents[2] / "tools"
pytestmark = pytest.mark.skipif(not can_build(), reason="needs Linux with a C compiler")
SCRIPT = """
import os, sys
sys.path.insert(0, sys.argv[1])
from pathlib import Path
from faults import shim
shim.run_again_below_it()
folder = Path(sys.argv[2])
shim.arm(folder, int(sys.argv[3]), int(sys.argv[4]), folder.with_suffix(".log"))
for name in ("one", "two"):
    with open(folder / name, "wb") as file:
        file.write(b"x" * 5000)
    os.replace(folder / name, folder / (name + "!"))
"""


def run(tmp_path: Path, how: int, at: int = 0) -> tuple[subprocess.CompletedProcess[str], Path]:
    folder = (tmp_path / "watched").resolve()
    folder.mkdir()
    script = tmp_path / "script.py"
    script.write_text(SCRIPT)
    command = [sys.executable, script, TOOLS, folder, str(how), str(at)]
    return subprocess.run(command, capture_output=True, text=True, check=False), folder


def test_it_records_every_change(tmp_path: Path) -> None:
    ended, folder = run(tmp_path, 1)
    assert ended.returncode == 0, ended.stderr
    changes = read_log(folder.with_suffix(".log"))
    assert [(change.kind, change.name, change.other, len(change.data)) for change in changes] == [
        ("c", "one", "", 0),
        ("w", "one", "", 5000),
        ("r", "one", "one!", 0),
        ("c", "two", "", 0),
        ("w", "two", "", 5000),
        ("r", "two", "two!", 0),
    ]


def test_it_kills_before_a_change(tmp_path: Path) -> None:
    ended, folder = run(tmp_path, 2, at=3)
    assert ended.returncode == -9
    assert {path.name: path.stat().st_size for path in folder.iterdir()} == {"one": 5000}


def test_it_kills_within_a_write(tmp_path: Path) -> None:
    ended, folder = run(tmp_path, 3, at=5)
    assert ended.returncode == -9
    assert {path.name: path.stat().st_size for path in folder.iterdir()} == {"one!": 5000, "two": 2500}


def test_it_fills_the_disk(tmp_path: Path) -> None:
    ended, folder = run(tmp_path, 4, at=2)
    assert "No space left on device" in ended.stderr
    assert {path.name: path.stat().st_size for path in folder.iterdir()} == {"one!": 5000, "two": 0}
