"""Commands of edgefs, each in a process of its own that had everything imported before."""

from __future__ import annotations

import os
from pathlib import Path

import onnxruntime  # noqa: F401 - likewise

import edgefs.cli.enroll
import edgefs.cli.gallery
import edgefs.cli.predict
import edgefs.cli.show
import edgefs.cli.verify  # noqa: F401 - imported now, so that a child need not
from edgefs.cli import main
from faults import forking


def edgefs_command(*words: object, cwd: Path | None = None, limit: float = 60) -> forking.Ended:
    """Run `edgefs WORDS`, from the folder `cwd`."""

    def command() -> None:
        if cwd is not None:
            os.chdir(cwd)
        main([str(word) for word in words])

    return forking.run(command, limit)
