"""The walk that is printed is the one that is gone, and does not grow unseen."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

pytestmark = pytest.mark.device

SCRIPT = Path(__file__).parents[2] / "tools" / "walk.py"


@pytest.fixture
def walks(
    bundle: Path, pictures: Callable[..., list[Path]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> dict[str, list[str]]:
    monkeypatch.setenv("EDGEFS_STATE", str(tmp_path))
    command = [sys.executable, str(SCRIPT), str(bundle), str(pictures("dots", 1)[0])]
    subprocess.run(command, check=True, capture_output=True)  # the first time, the self-test is run too
    printed = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    found: dict[str, list[str]] = {}
    for line in printed.splitlines():
        if head := re.match(r"(a cold|one frame).*: (\d+) files", line):
            files = found.setdefault(head[1], [])
        else:
            files.append(line.strip())
    return found


def test_the_walk_is_printed_and_no_longer_than_it_was(walks: dict[str, list[str]]) -> None:
    cold, frame = walks["a cold"], walks["one frame"]
    assert len(cold) <= 49  # one of them looks at a stranger's JSON, one at what is printed of it
    assert len(frame) <= 13
    assert cold[0] == "edgefs/cli/group.py"
    assert frame[0] == "runtime/edgefs_runtime/classifier.py"
    assert "runtime/edgefs_runtime/answering.py" in {*cold} & {*frame}
    assert not [path for path in cold if re.search("/gallery/store|/teach/|golden|onnx_gate", path)]
