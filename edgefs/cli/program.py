"""How this very command is called again from the same shell."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path


def this_program() -> tuple[str, ...]:
    """The words that start `edgefs` here: by its name where the shell finds that, else as it was called."""
    called = Path(sys.argv[0])
    if called.name == "__main__.py":
        return sys.executable, "-m", "edgefs"
    found = shutil.which("edgefs")
    if called.stem != "edgefs" or (found is not None and Path(found).resolve() == called.resolve()):
        return ("edgefs",)
    return (sys.argv[0],)
