"""What lies in the place of a file: a pipe, a folder, links in a loop, three gigabytes of nothing."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from pathlib import Path

from faults.acts import BUNDLE
from faults.attacks.making import Attack

_SPARSE = 3_000_000_000  # bytes


def _made(name: str, make: Callable[[Path], object]) -> Attack:
    def write(folder: Path) -> Path:
        path = folder / name
        make(path)
        return path

    return write


def _loop(path: Path) -> None:
    other = path.with_name("other")
    path.symlink_to(other)
    other.symlink_to(path)


def _sparse(path: Path, start: bytes) -> None:
    path.write_bytes(start)
    os.truncate(path, _SPARSE)


def _socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as listener:
        here = Path.cwd()
        os.chdir(path.parent)
        listener.bind(path.name)
        os.chdir(here)


def special(name: str, start: bytes) -> dict[str, Attack]:
    """What may lie in the place of the file `name`, by what it is; some of it begins with `start`."""
    return {
        "a pipe": _made(name, os.mkfifo),
        "a folder": _made(name, Path.mkdir),
        "links in a loop": _made(name, _loop),
        "a link to a device": _made(name, lambda path: path.symlink_to("/dev/zero")),
        "a socket": _made(name, _socket),
        "3 GB of nothing": _made(name, lambda path: _sparse(path, b"")),
        "3 GB with a beginning": _made(name, lambda path: _sparse(path, start)),
        "nothing there": _made(name, lambda _path: None),
    }


FILES = {f"file: {name}": attack for name, attack in special("attack.edgefs", BUNDLE.read_bytes()[:200]).items()}
SPECIAL = {f"gallery file: {name}": attack for name, attack in special("other.gallery", b"SQLite format 3\0").items()}
