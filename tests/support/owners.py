"""A process that owns a gallery, and does what it is told to.

    with OwnerProcess(bundle, gallery, shots) as owner:   # it has taught `shots` as the class `first`
        owner.do("predict", path)
        with owner.stopped(): ...                          # it gets no time from the system
        owner.kill()

Its answers come when the thing is done, so no test has to wait for a while.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

# Moments at which an owner can be told to be killed: files that it uses before an act is written, and after.
BEFORE, AFTER = "parts.json", ".snapshot"


class OwnerProcess:
    """Teaches one act, owns the gallery from then on, and lets other processes act through it.

    Args:
        bundle: that it runs.
        gallery: that it owns.
        shots: images that it teaches as `first`.
        user: whose process it is; None for that of the test.
    """

    def __init__(self, bundle: Path, gallery: Path, shots: list[Path], user: int | None = None) -> None:
        self.pid = 0
        self._process = subprocess.Popen(
            [sys.executable, __file__, str(bundle), str(gallery), str(user or ""), *map(str, shots)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
        )
        self.pid = self._process.pid
        assert self._answer() == "owns"

    def __enter__(self) -> OwnerProcess:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.communicate(timeout=60)

    def do(self, what: str, *arguments: object) -> Any:
        """What came of `predict PATH`, `sequence` or `die MOMENT`."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps([what, *map(str, arguments)]) + "\n")
        self._process.stdin.flush()
        return self._answer()

    def kill(self) -> None:
        self._process.kill()
        self._process.wait(timeout=60)

    @contextmanager
    def stopped(self) -> Iterator[None]:
        """It stands still meanwhile."""
        os.kill(self.pid, signal.SIGSTOP)
        os.waitid(os.P_PID, self.pid, os.WSTOPPED | os.WNOWAIT)
        try:
            yield
        finally:
            os.kill(self.pid, signal.SIGCONT)

    def _answer(self) -> Any:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        assert line, "the owner ended"
        return json.loads(line)


def _die_at(moment: str) -> None:
    """Be killed just before a file is opened, or gets its name, whose path holds this."""

    def audit(event: str, arguments: tuple[object, ...]) -> None:
        if event in ("open", "os.rename") and any(str(one).endswith(moment) for one in arguments):
            os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(audit)


def _serve(bundle: str, gallery: str, user: str, *shots: str) -> None:
    from edgefs_runtime import Classifier

    if user:
        _become(int(user), bundle, gallery, shots)
    with Classifier.open(bundle, gallery=gallery) as owner:
        owner.enroll("first", shots, force=True)
        print(json.dumps("owns"), flush=True)
        for line in sys.stdin:
            what, *arguments = json.loads(line)
            answer: object = None
            if what == "predict":
                (decision,) = owner.predict(arguments)
                answer = decision.label or "unknown"
            elif what == "sequence":
                answer = owner.gallery.sequence
            elif what == "die":
                _die_at(*arguments)
            print(json.dumps(answer), flush=True)


def _become(user: int, bundle: str, gallery: str, shots: tuple[str, ...]) -> None:
    """Become another user, who may read nothing of Python's: what is needed is loaded before, by an act elsewhere."""
    import tempfile

    from edgefs_runtime import Classifier

    with tempfile.TemporaryDirectory() as folder:
        elsewhere = Path(folder) / "g"
        with Classifier.open(bundle, gallery=elsewhere) as first, Classifier.open(bundle, gallery=elsewhere) as second:
            first.enroll("first", shots, force=True)
            second.undo()
    os.setgid(user)
    os.setuid(user)


if __name__ == "__main__":
    _serve(*sys.argv[1:])
