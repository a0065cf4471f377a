"""Nothing of ours talks to anybody, nor writes outside its own folders.

onnxruntime's telemetry is on by default. Some of it shows at once (a device id under HOME), some only in a process that
lives (look-ups of its vendor's host), and none of it where the variable CI is set: so every process here starts with an
empty environment and a HOME of its own. What the cure must stop is looked for in onnxruntime alone as well: where that
shows nothing, there is nothing to prove.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

import pytest
from textures import save, write_set

pytestmark = pytest.mark.device

LIVES = 31  # seconds: it asks for its vendor's host within half a minute
IMPORTS = "import sys, {module}, os; print(os.environ['ORT_DISABLE_TELEMETRY'], 'onnxruntime' in sys.modules)"
ALONE = "import onnxruntime"
CLI = "import sys; from edgefs.cli import main; main(sys.argv[1:], standalone_mode=False)"
API = """
import sys
from edgefs_runtime import Classifier
with Classifier.open(sys.argv[1]) as classifier:
    classifier.predict([sys.argv[2]])
    classifier.enroll("new", [sys.argv[2]], force=True)
"""
WORKER = """
import subprocess, sys
import edgefs_runtime
subprocess.run([sys.executable, "-c", "import onnxruntime, time; time.sleep(%d)"], check=True)
"""
WORKSTATION = """
import sys
from edgefs.cli import main
data, folder = sys.argv[1:]
main(["adapt", data, "-o", folder + "/run", "--backbone", "nano", "--shots", "3"], standalone_mode=False)
main(["export", folder + "/run", "-o", folder + "/b.edgefs"], standalone_mode=False)
"""


def environment(home: Path, **more: str) -> dict[str, str]:
    """Nothing but a home, in which Python itself writes nothing beside sources; CI above all is not set."""
    home.mkdir(exist_ok=True)
    return {"HOME": str(home), "PATH": os.environ["PATH"], "PYTHONDONTWRITEBYTECODE": "1", **more}


def files_in(home: Path) -> list[str]:
    return sorted(path.relative_to(home).as_posix() for path in home.rglob("*") if path.is_file())


@pytest.mark.parametrize("module", ["edgefs", "edgefs.cli", "edgefs_runtime", "edgefs_calibration", "edgefs_export"])
@pytest.mark.parametrize("given", [{}, {"ORT_DISABLE_TELEMETRY": "0"}])
def test_telemetry_is_off_before_onnxruntime_is_loaded(module: str, given: dict[str, str], tmp_path: Path) -> None:
    command = [sys.executable, "-c", IMPORTS.format(module=module)]
    run = subprocess.run(
        command, env=environment(tmp_path / "home", **given), capture_output=True, text=True, check=True
    )
    assert run.stdout == "1 False\n"


def test_predicting_and_teaching_write_nothing_but_our_state(bundle: Path, tmp_path: Path) -> None:
    home, alone = tmp_path / "home", tmp_path / "alone"
    image = str(save(tmp_path, "dots", 1))
    subprocess.run([sys.executable, "-c", ALONE], env=environment(alone), check=True)
    for code, arguments in ((CLI, ["predict", str(bundle), image]), (API, [str(bundle), image])):
        subprocess.run(
            [sys.executable, "-c", code, *arguments], env=environment(home), check=True, stdout=subprocess.DEVNULL
        )
        assert [file for file in files_in(home) if not file.startswith(".local/state/edgefs/")] == []
    if not files_in(alone):
        pytest.skip("this onnxruntime writes nothing under HOME by itself")


class Watched:
    """A process that lives for half a minute, under strace.

    Attributes:
        sockets: that were made, but for those of one machine (AF_UNIX) and of the kernel (AF_NETLINK).
        written: files that were opened for writing outside the folders allowed.
    """

    def __init__(self, folder: Path, code: str, arguments: Sequence[object] = (), own: Sequence[Path] = ()) -> None:
        folder.mkdir()
        self._trace, self._own = folder / "trace", ("/dev/", "/proc/", str(folder / "scratch"), *map(str, own))
        home, scratch = folder / "home", folder / "scratch"  # what Python tries out and removes again
        scratch.mkdir()
        strace = ["strace", "-f", "-qq", "-e", "trace=network,open,openat,creat", "-o", self._trace]
        code = f"{code}\nimport time\ntime.sleep({LIVES})"
        self._process = subprocess.Popen(
            [*strace, sys.executable, "-c", code, *map(str, arguments)],
            env=environment(
                home, EDGEFS_CACHE=str(home / ".cache" / "edgefs"), OMP_NUM_THREADS="1", TMPDIR=str(scratch)
            ),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
        )

    def end(self) -> Watched:
        _, said = self._process.communicate(timeout=240)
        assert self._process.returncode == 0, said.decode()
        lines = self._trace.read_text(errors="replace").splitlines()
        self.sockets = [line for line in lines if re.search(r"socket\((?!AF_UNIX|AF_NETLINK)", line)]
        opened = [re.search(r'open\w*\(.*?"([^"]*)", [^)]*O_(?:WRONLY|RDWR|CREAT)', line) for line in lines]
        files = {match[1] for match in opened if match}
        self.written = sorted(file for file in files if not file.startswith(self._own))
        return self


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not installed")
def test_a_process_that_lives_talks_to_nobody_and_writes_only_where_it_may(bundle: Path, tmp_path: Path) -> None:
    image = save(tmp_path / "asked", "dots", 1)
    # The cure taken out: onnxruntime is loaded before anything of ours.
    alone = Watched(tmp_path / "alone", ALONE + API, [bundle, image], [tmp_path])
    state = [tmp_path / name / "home" / ".local" / "state" / "edgefs" for name in ("cli", "api")]
    cache = tmp_path / "adapt" / "home" / ".cache" / "edgefs"
    watched = {
        "cli": Watched(tmp_path / "cli", CLI, ["predict", bundle, image], state),
        "api": Watched(tmp_path / "api", API, [bundle, image], state),
        "worker": Watched(tmp_path / "worker", WORKER % LIVES),
    }
    if find_spec("torch") is not None:
        data, out = write_set(tmp_path / "data", 8), tmp_path / "out"
        watched["adapt"] = Watched(tmp_path / "adapt", WORKSTATION, [data, out], [out, out.with_name(".out"), cache])
    found = {name: one.end() for name, one in watched.items()}
    alone.end()
    assert {name: one.sockets for name, one in found.items()} == {name: [] for name in found}
    assert {name: one.written for name, one in found.items()} == {name: [] for name in found}
    if not alone.sockets:
        pytest.skip("this onnxruntime asks for nobody by itself")
