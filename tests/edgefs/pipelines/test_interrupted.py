"""`adapt` and `export` stopped at any moment, by Ctrl-C or kill -9: what has its final name is whole."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from edgefs.runs.run import Run
from edgefs_runtime import Bundle
from edgefs_runtime.base.errors import RunError

ADAPT = """
import signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)  # a job in the background inherits that it is ignored
sys.path.insert(0, sys.argv[1])
from tiny import tiny_backbone
from edgefs.backbones import BACKBONES
from edgefs.cli import main
BACKBONES["tiny"] = tiny_backbone
print("ready", flush=True)
main(sys.argv[2:])
"""
SUPPORT = Path(__file__).parents[2] / "support"


def started(*arguments: object) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", ADAPT, str(SUPPORT), *map(str, arguments)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=os.environ)
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    return process


def stop(process: subprocess.Popen[str], how: signal.Signals, after: float) -> tuple[int, str]:
    time.sleep(after)
    process.send_signal(how)
    _, said = process.communicate(timeout=60)
    return process.returncode, said


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL])
def test_adapt_stopped_leaves_no_run_or_a_whole_one(textures: Path, tmp_path: Path, how: signal.Signals) -> None:
    whole, options = 0, ("--backbone", "tiny", "--shots", "5", "--name", "parts", "--no-cache")
    for attempt in range(5):
        out = tmp_path / f"run{attempt}"
        process = started("adapt", textures, "-o", out, *options)
        status, said = stop(process, how, 0.1 + 0.25 * attempt)  # once the command itself has begun
        if out.exists():
            Run.open(out)
            whole += 1
        else:
            with pytest.raises(RunError):
                Run.open(out)
        if how is signal.SIGINT and not out.exists():  # else Python was ending already
            assert status == 130
            assert said.strip().endswith("Error: stopped by Ctrl-C")
            assert not [path for path in tmp_path.iterdir() if path.name.endswith(".new")]
    assert whole < 5  # the first attempts are stopped long before the end


def test_after_a_kill_the_same_command_works(textures: Path, tmp_path: Path) -> None:
    arguments = ("adapt", textures, "-o", tmp_path / "run", "--backbone", "tiny", "--shots", "5", "--name", "parts")
    stop(started(*arguments), signal.SIGKILL, 0.2)
    _, said = started(*arguments, "--overwrite").communicate(timeout=60)
    assert Run.open(tmp_path / "run").name == "parts", said


def test_export_killed_leaves_the_old_bundle_or_the_new_one(textures: Path, tmp_path: Path, bundle: Path) -> None:
    from edgefs.pipelines.adapt import adapt
    from edgefs.settings.adapt import AdaptSettings

    adapt(textures, tmp_path / "run", AdaptSettings(backbone="tiny", shots=5, name="parts"))
    for after in (0.3, 1.5, 3.0, 4.0):
        stop(started("export", tmp_path / "run", "-o", bundle), signal.SIGKILL, after)
        assert Bundle.open(bundle).name in {"textures", "parts"}
