"""The asking side of the socket: one request, and what came of it."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from edgefs_runtime.asking.frames import HEAD, Frame, FrameError, lengths, pack, unpack
from edgefs_runtime.asking.messages import Answer, Position, Request
from edgefs_runtime.asking.place import reach
from edgefs_runtime.base.errors import GalleryError
from edgefs_runtime.base.wording import plain

_LONGEST = 900.0  # seconds of an act that was begun; a merge of a large gallery takes minutes
_SHORTEST = 1.0  # seconds for a process that was never waited for, as its threads may not run at once
_LAST = 0.5  # seconds for what may be on its way while one hangs up


class PassedOverError(Exception):
    """Nothing was done: the owner is going, or another act came first. It may be asked for again."""


class SilentError(Exception):
    """Nothing was done: the owner has not begun within the time."""


class LostError(Exception):
    """The owner went, or hangs, after it had begun; whether the act was done, its gallery may tell.

    Attributes:
        behind: where the act would have been done.
    """

    def __init__(self, behind: Position) -> None:
        super().__init__(behind)
        self.behind = behind


def ask(gallery: Path, request: Request, blobs: Iterable[bytes], wait: float) -> Answer:
    """What the owner of a gallery answers.

    Args:
        gallery: the gallery's file.
        request: what is asked for.
        blobs: that it speaks of.
        wait: seconds until it must have begun, at most.

    Raises:
        PassedOverError: there is no owner to be asked any more, or another act came first.
        SilentError: it has not begun in time.
        LostError: it went, or hangs, after it had begun.
        GalleryError: it refuses the act, or there is too much to be sent.
    """
    blocks = pack(request.to_json(), list(blobs))
    connection = reach(gallery)
    if connection is None:
        raise PassedOverError
    with connection:
        frame = _begun(connection, blocks, time.monotonic() + max(wait, _SHORTEST))
        if frame.fields == {"began": True}:
            frame = _told(connection, request)
        answer = Answer.from_json(frame.fields)
    if answer.is_passed_over:
        raise PassedOverError
    if answer.error:
        raise GalleryError(plain(answer.error))
    return answer


def _begun(connection: socket.socket, blocks: Iterable[bytes], until: float) -> Frame:
    """The first frame: `began`, or why not. As long as not all was sent, nothing can have been begun."""
    try:
        with suppress(BrokenPipeError, ConnectionResetError):  # it may have said why it takes no more
            for block in blocks:
                connection.settimeout(max(0.01, until - time.monotonic()))
                connection.sendall(block)
        return _received(connection, until)
    except TimeoutError:
        return _hung_up(connection)
    except OSError as error:
        raise PassedOverError from error


def _hung_up(connection: socket.socket) -> Frame:
    """Wait no longer; what was begun in that moment is waited for."""
    try:
        connection.shutdown(socket.SHUT_WR)
        return _received(connection, time.monotonic() + _LAST)
    except OSError as error:
        raise SilentError from error


def _told(connection: socket.socket, request: Request) -> Frame:
    try:
        return _received(connection, time.monotonic() + _LONGEST)
    except (OSError, FrameError) as error:
        if request.behind is None:  # nothing was to be done
            raise PassedOverError from error
        raise LostError(request.behind) from error


def _received(connection: socket.socket, until: float) -> Frame:
    """The next frame.

    Raises:
        TimeoutError: it is not there in time.
        OSError: the other side went.
        FrameError: it is no message.
    """
    text, blobs = lengths(_bytes(connection, HEAD.size, until))
    return unpack(_bytes(connection, text + blobs, until), text)


def _bytes(connection: socket.socket, size: int, until: float) -> bytearray:
    arrived = bytearray()
    while len(arrived) < size:
        connection.settimeout(max(0.01, until - time.monotonic()))
        piece = connection.recv(min(1 << 20, size - len(arrived)))
        if not piece:
            raise ConnectionError("hung up")
        arrived += piece
    return arrived
