"""Where a gallery's owner is asked: a Unix socket in a folder beside the gallery, which is one user's alone.

- Both sides open the folder, look whose it is, and reach the socket through what they opened (`/proc/self/fd`): so no
  path is longer than the 107 bytes of a socket's name, and nothing that is put in the folder's place is followed.
- The kernel tells each side whose process the other one is. An owner answers its own user and root, who may do
  everything here anyway; nobody is asked but one's own processes, and by root also those of the gallery's user.
- The owner holds the gallery's lock. What lies in the folder when it comes was left by one that was killed.
"""

from __future__ import annotations

import os
import socket
import stat
import struct
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from edgefs_runtime.base.state import socket_folder

MOST_WAITING = 64  # connections that the kernel keeps until they are taken
_NAME = "ask"
_PEER = struct.Struct("3i")  # pid, uid, gid
_OTHERS_MAY_WRITE = stat.S_IWGRP | stat.S_IWOTH


def is_offered() -> bool:
    """Whether this system has what it takes: Linux does, Windows and macOS don't."""
    return hasattr(socket, "SO_PEERCRED") and Path("/proc/self/fd").is_dir()


def listen(gallery: Path) -> socket.socket:
    """Begin to be asked about a gallery that this process owns; nothing blocks on what is returned.

    Raises:
        OSError: the folder belongs to somebody else or is none, or its file system holds no sockets.
    """
    folder = socket_folder(gallery)
    is_new = not folder.is_symlink() and not folder.exists()
    with suppress(FileExistsError):
        folder.mkdir(mode=0o700)
    try:
        with _opened(folder) as (handle, place):
            return _bound(handle, place, folder)
    except BaseException:
        if is_new:
            leave(gallery)
        raise


def _bound(handle: int, place: str, folder: Path) -> socket.socket:
    if os.fstat(handle).st_uid != os.geteuid():
        raise PermissionError(f"{folder} belongs to another user")
    os.fchmod(handle, 0o700)
    with suppress(FileNotFoundError):
        os.unlink(_NAME, dir_fd=handle)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        listener.bind(place)
        Path(place).chmod(0o600)
        listener.listen(MOST_WAITING)
        listener.setblocking(False)
    except BaseException:
        listener.close()
        raise
    return listener


def leave(gallery: Path) -> None:
    """Remove the socket and its folder, while this process still owns the gallery."""
    folder = socket_folder(gallery)
    with suppress(OSError):
        (folder / _NAME).unlink()
    with suppress(OSError):
        folder.rmdir()


def reach(gallery: Path) -> socket.socket | None:
    """A connection to the gallery's owner; None where there is none, or none that may be asked."""
    if not is_offered():
        return None
    try:
        users = _trusted(gallery)
        with _opened(socket_folder(gallery)) as (handle, place):
            found = os.fstat(handle)
            if found.st_uid not in users or found.st_mode & _OTHERS_MAY_WRITE:
                return None
            return _connected(place, users)
    except OSError:
        return None


def is_reachable(gallery: Path) -> bool:
    """Whether somebody listens there."""
    connection = reach(gallery)
    if connection is not None:
        connection.close()
    return connection is not None


def may_ask(connection: socket.socket) -> bool:
    """Whether the process at the other end may ask this one for acts."""
    return _user_of(connection) in (os.geteuid(), 0)


def _trusted(gallery: Path) -> set[int]:
    """Users whose processes are asked."""
    user = os.geteuid()
    return {user, gallery.stat().st_uid} if user == 0 else {user}


def _connected(place: str, users: set[int]) -> socket.socket | None:
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        connection.setblocking(False)  # a full queue is no reason to hang
        connection.connect(place)
        if _user_of(connection) in users:
            return connection
    except BaseException:
        connection.close()
        raise
    connection.close()
    return None


def _user_of(connection: socket.socket) -> int:
    credentials = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _PEER.size)
    _, user, _ = _PEER.unpack(credentials)
    return int(user)


@contextmanager
def _opened(folder: Path) -> Iterator[tuple[int, str]]:
    """The folder, not a link to one, and its socket's path through it."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        yield handle, f"/proc/self/fd/{handle}/{_NAME}"
    finally:
        os.close(handle)
