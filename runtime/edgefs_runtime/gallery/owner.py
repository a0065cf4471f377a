"""Who owns a gallery: a note beside it, for whoever finds it locked.

SQLite's lock is the truth; the note only names its holder. It is written right after the lock was taken and removed
before it is given back. What a killed owner left is told by the process being gone, or another one having its number.
"""

from __future__ import annotations

import json
import os
import platform
import sys
from contextlib import suppress
from pathlib import Path

from edgefs_runtime.base.durable import is_running, replace_file

_SOMEBODY = "another process (edgefs serve or watch?)"


def owner_path(gallery: Path) -> Path:
    """Where a gallery's note lies."""
    return gallery.with_name(gallery.name + ".owner")


def note_owner(gallery: Path) -> None:
    """Name this process as the owner; where that can't be written, nobody is named."""
    fields = {"pid": os.getpid(), "host": platform.node(), "started": _started(os.getpid()), "command": _command()}
    with suppress(OSError):
        replace_file(owner_path(gallery), [json.dumps(fields).encode("ascii")], synced=False)


def forget_owner(gallery: Path) -> None:
    """Remove the note."""
    with suppress(OSError):
        owner_path(gallery).unlink(missing_ok=True)


def owner_of(gallery: Path) -> str:
    """The owner in words, such as ``process 4711 (`edgefs enroll`)``."""
    try:
        fields = json.loads(owner_path(gallery).read_bytes())
        pid, host = int(fields["pid"]), str(fields["host"])
        command = f" (`{fields['command']}`)" if fields["command"] else ""
    except (OSError, ValueError, KeyError, TypeError, OverflowError, RecursionError):
        return _locker(gallery)
    if host != platform.node():
        return f"process {pid}{command} on {host}"
    if pid == os.getpid():
        return f"this process, {pid}{command}"
    return f"process {pid}{command}" if _still_runs(pid, fields.get("started")) else _locker(gallery)


def _locker(gallery: Path) -> str:
    """Who holds a lock on the file by the kernel's list, which needs no opening of it; of Linux alone."""
    try:
        inode = f":{gallery.stat().st_ino}"
        locks = [line.split() for line in Path("/proc/locks").read_text(encoding="ascii").splitlines()]
        pids = [int(lock[4]) for lock in locks if lock[1] == "POSIX" and lock[5].endswith(inode)]
    except (OSError, ValueError, IndexError):
        return _SOMEBODY
    others = [pid for pid in pids if pid not in (0, os.getpid())]
    return f"process {others[0]}" if others else _SOMEBODY


def _still_runs(pid: int, started: object) -> bool:
    return is_running(pid) and started in (None, _started(pid))


def _started(pid: int) -> str | None:
    """When a process started, in ticks since the machine did; None where the system does not tell so."""
    try:
        return Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()[19]
    except (OSError, IndexError):
        return None


def _command() -> str:
    """The program and its command, without paths and what a user typed: `edgefs gallery`."""
    program = Path(sys.argv[0]).stem if sys.argv and sys.argv[0] not in ("", "-c", "-m") else "python"
    word = sys.argv[1] if len(sys.argv) > 1 and sys.argv[1].isidentifier() else ""
    return f"{program} {word}".strip()
