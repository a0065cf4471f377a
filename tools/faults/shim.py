"""Building and steering `shim.c`, which stands between this process and the disk."""

from __future__ import annotations

import ctypes
import functools
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

RECORD, KILL, TORN, FULL = 1, 2, 3, 4  # as in shim.c
_SOURCE = Path(__file__).with_name("shim.c")
_LOADED = "EDGEFS_FAULTS_SHIM"


def can_build() -> bool:
    """Whether this is Linux with a C compiler."""
    return sys.platform == "linux" and shutil.which("cc") is not None


def run_again_below_it() -> None:
    """Replace this process by the same command with the shim loaded; does nothing where it is, or can't be built."""
    if _LOADED in os.environ or not can_build():
        return
    library = Path(tempfile.mkdtemp(prefix="edgefs-faults-")) / "shim.so"
    subprocess.run(["cc", "-O2", "-shared", "-fPIC", "-o", library, _SOURCE], check=True)
    environment = {**os.environ, "LD_PRELOAD": str(library), _LOADED: str(library)}
    os.execve(sys.executable, [sys.executable, *sys.orig_argv[1:]], environment)


def is_loaded() -> bool:
    """Whether `arm` works in this process."""
    return _LOADED in os.environ


def arm(folder: Path, how: int, count: int = 0, log: Path | None = None) -> None:
    """From now on record, kill at, or refuse this process's changes below a folder.

    Args:
        folder: the absolute path without links; changes elsewhere are left alone.
        how: `RECORD`, `KILL` before or `TORN` in the middle of the change of that count, `FULL` from that count on.
        count: from 1.
        log: where `RECORD` writes.
    """
    _library().faults_arm(os.fsencode(folder), how, count, os.fsencode(log or ""))


def disarm() -> int:
    """Stop, and return how many changes there were."""
    return int(_library().faults_disarm())


def note(text: str) -> None:
    """Note in the record what the product has acknowledged by now."""
    _library().faults_note(text.encode())


@functools.cache
def _library() -> ctypes.CDLL:
    library = ctypes.CDLL(os.environ[_LOADED])
    library.faults_arm.argtypes = [ctypes.c_char_p, ctypes.c_int, ctypes.c_long, ctypes.c_char_p]
    library.faults_disarm.restype = ctypes.c_long
    library.faults_note.argtypes = [ctypes.c_char_p]
    return library
