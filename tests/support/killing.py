"""Commands that are stopped at a moment of their own: just before they open, rename or remove a file.

    with Launcher("edgefs.cli.adapt") as launcher:
        whole = launcher.run("adapt", data, "-o", out, stop=Stop(NEVER, at="/run"))           # to its end
        launcher.run("adapt", data, "-o", out, stop=Stop(whole.moments, at="/run"))  # kill -9 before its last moment

A moment is what Python tells an audit hook of a file, or an SQL statement that is run on one. It is counted in the
process itself, which sends itself the signal: so every moment can be had, and none depends on how busy the machine is.
The command runs in a fork of a process that has loaded the modules already.
"""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

SUPPORT = Path(__file__).parent
NEVER = sys.maxsize
_EVENTS = {"open", "os.rename", "os.mkdir", "os.remove", "os.rmdir", "os.link", "os.listdir", "sqlite3.connect"}


class Stop(NamedTuple):
    """When and how a command is stopped.

    Attributes:
        moment: the number of it, the first being 1; one that never comes lets the command end.
        at: what stands in the path of a file whose moments count.
        how: the signal.
    """

    moment: int
    at: str
    how: int = signal.SIGKILL


class Ended(NamedTuple):
    """How a command ended.

    Attributes:
        status: its exit status, or the negative number of the signal that ended it.
        printed: what it wrote to standard output.
        said: what it wrote to standard error.
        moments: that were counted; 0 where a signal ended it.
    """

    status: int
    printed: str
    said: str
    moments: int


class Launcher:
    """Runs commands of edgefs, each in a fork of a process that has loaded `modules`."""

    def __init__(self, *modules: str) -> None:
        self._process = subprocess.Popen(
            [sys.executable, __file__, *modules],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
        )

    def __enter__(self) -> Launcher:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.communicate(timeout=60)

    def run(self, *arguments: object, stop: Stop | None = None) -> Ended:
        """Run a command to its end or until it is stopped."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps([list(map(str, arguments)), stop]) + "\n")
        self._process.stdin.flush()
        return Ended(*json.loads(self._process.stdout.readline()))


def _counting(stop: Stop) -> Callable[[], int]:
    """Counts moments from now on, sends this process the signal at the one asked for, and tells how many there were."""
    moments = 0
    connect = sqlite3.connect

    def count(_statement: str = "") -> None:
        nonlocal moments
        moments += 1
        if moments == stop.moment:
            os.kill(os.getpid(), stop.how)

    def audit(event: str, arguments: tuple[object, ...]) -> None:
        if event in _EVENTS and any(stop.at in str(one) for one in arguments):
            count()

    def traced(database: str, *arguments: Any, **options: Any) -> sqlite3.Connection:
        connection = connect(database, *arguments, **options)
        if stop.at in str(database):
            connection.set_trace_callback(count)
        return connection

    sys.addaudithook(audit)
    sqlite3.connect = traced
    return lambda: moments


def _command(arguments: list[str], stop: Stop | None, reports: Path) -> int:
    """The exit status of a command, in the forked process, which leaves what was said and counted in files."""
    for stream, name in ((1, "printed"), (2, "said")):
        os.dup2(os.open(reports / name, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), stream)
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a job in the background inherits that it is ignored
    from edgefs.cli import main

    moments = _counting(stop) if stop is not None else int
    try:
        main(arguments)
    except SystemExit as end:
        return int(end.code or 0)
    finally:
        (reports / "moments").write_text(str(moments()))
    return 0


def _serve(reports: Path) -> None:
    counted = reports / "moments"
    for line in sys.stdin:
        arguments, stop = json.loads(line)
        counted.write_text("0")
        child = os.fork()
        if child == 0:
            status = 1
            try:
                status = _command(arguments, stop and Stop(*stop), reports)
            except BaseException:
                sys.excepthook(*sys.exc_info())
            finally:
                sys.stdout.flush()
                sys.stderr.flush()
                os._exit(status)
        _, ended = os.waitpid(child, 0)
        told = [(reports / name).read_text() for name in ("printed", "said")]
        print(json.dumps([os.waitstatus_to_exitcode(ended), *told, int(counted.read_text())]), flush=True)


if __name__ == "__main__":
    import importlib
    import tempfile

    sys.path.insert(0, str(SUPPORT))
    for module in sys.argv[1:]:
        importlib.import_module(module)
    if "tiny" in sys.argv[1:]:  # makes `--backbone tiny` known
        from tiny import tiny_backbone

        from edgefs.backbones import BACKBONES

        BACKBONES["tiny"] = tiny_backbone
    with tempfile.TemporaryDirectory() as folder:
        _serve(Path(folder))
