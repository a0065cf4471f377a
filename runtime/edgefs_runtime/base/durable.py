"""Files that appear whole, and the system's ways to bring them to the disk."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

_LONGEST = 200  # bytes of a name that its hidden name begins with: file systems take 255


def beside(path: Path) -> Path:
    """A hidden, unused name in the same folder, no longer than a file system takes."""
    start = os.fsdecode(os.fsencode(path.name)[:_LONGEST])
    return path.with_name(f".{start}.{os.urandom(6).hex()}.new")


def replace_file(path: Path, blocks: Iterable[bytes | memoryview], *, synced: bool) -> None:
    """Write `blocks` as the file `path`: a reader sees the old file or the new one, never a part.

    Args:
        path: the file's place.
        blocks: content of the file, in pieces.
        synced: bring it to the disk before it gets its name. Without that a power cut may leave an empty or torn file,
            which is good enough for what carries a checksum and can be made again: syncing 25 MB at every enrollment
            would cost a memory card seconds.

    Raises:
        OSError: the folder can't be written or the disk is full; the old file stands.
    """
    temporary = beside(path)
    try:
        with temporary.open("xb") as file:
            for block in blocks:
                file.write(block)
            if synced:
                file.flush()
                os.fsync(file.fileno())
        temporary.replace(path)
        if synced:
            sync_folder(path.parent)
    finally:
        temporary.unlink(missing_ok=True)


def sync_file(path: Path) -> None:
    """Bring a closed file's content to the disk."""
    with path.open("rb+") as file:
        os.fsync(file.fileno())


def sync_folder(folder: Path) -> None:
    """Bring a folder's entries to the disk, where the system has such a thing (not Windows)."""
    if os.name != "posix":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@contextmanager
def locked_folder(folder: Path) -> Iterator[None]:
    """Let one process at a time read, change and replace what lies in a folder, where the system can (not Windows).

    Raises:
        OSError: no such folder, or its file system knows no locks.
    """
    if os.name != "posix":
        yield
        return
    import fcntl

    handle = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)  # and with it the lock


def sweep(*paths: Path) -> None:
    """Remove the hidden files that killed processes left while they wrote these files, which lie in one folder.

    For the one process that may write them: another's file that is being written would be lost.
    """
    starts = "|".join(re.escape(os.fsdecode(os.fsencode(path.name)[:_LONGEST])) for path in paths)
    hidden = re.compile(rf"\.({starts})\.[0-9a-f]{{12}}\.new(-wal|-journal)?", re.DOTALL)
    _remove(paths[0].parent, lambda name: hidden.fullmatch(name) is not None)


@contextmanager
def swept_folder(folder: Path) -> Iterator[None]:
    """As `locked_folder`, of a folder in which only who holds the lock writes what must last: leftovers are removed."""
    hidden = re.compile(r"\..*\.[0-9a-f]{12}\.new", re.DOTALL)
    with locked_folder(folder):
        if os.name == "posix":  # elsewhere nobody is locked out, and a file may be in the writing
            _remove(folder, lambda name: hidden.fullmatch(name) is not None)
        yield


def is_running(pid: int) -> bool:
    """Whether a process of this machine runs; where asking would end it (Windows), every one does."""
    if os.name != "posix":
        return True
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except OSError:  # another user's
        return True
    return True


def make_folder(folder: Path) -> None:
    """Make a folder with those above it, on the disk before anything in it can be acknowledged.

    Raises:
        OSError: it can't be made.
    """
    missing = [one for one in (folder, *folder.parents) if not one.exists()]
    folder.mkdir(parents=True, exist_ok=True)
    for one in missing:
        sync_folder(one.parent)


def _remove(folder: Path, is_leftover: Callable[[str], bool]) -> None:
    with suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:
            if is_leftover(entry.name):
                with suppress(OSError):
                    Path(entry.path).unlink()
