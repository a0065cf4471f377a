"""A few tries of every part of the torture that `make faults` runs whole."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from faults.shim import can_build

TOOL = Path(__file__).parents[2] / "tools" / "faults"
PARTS = (
    "power_cuts",
    "kills",
    "full_disk",
    "gallery_flips",
    "wal_flips",
    "run_flips",
    "parts_flips",
    "cache_flips",
    "bundles",
    "galleries",
    "pictures",
    "parsers",
    "soak",
)


@pytest.mark.skipif(not can_build(), reason="needs Linux with a C compiler")
@pytest.mark.parametrize("part", PARTS)
def test_nothing_is_lost_refused_or_believed(part: str) -> None:
    command = [sys.executable, TOOL, "--small", "--only", part, "--examples", "5"]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert ended.stdout.startswith("ok ")
