"""One connection to the owner of a gallery: a request that arrives in pieces, an answer that leaves in pieces."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterable

from edgefs_runtime.asking.frames import HEAD, MOST_BLOBS, MOST_TEXT, Frame, FrameError, lengths, unpack

_PIECE = 1 << 20  # bytes that are read at once
_MOST = MOST_TEXT + MOST_BLOBS  # bytes of all requests that are arriving


class Caller:
    """Who asks. Nothing here blocks.

    Attributes:
        socket: the connection.
        until: when it must have sent its request, or taken its answer; seconds of `time.monotonic`.
        leaving: what of the answer it has not taken yet.
    """

    def __init__(self, connection: socket.socket, seconds: float) -> None:
        connection.setblocking(False)
        self.socket = connection
        self.leaving = memoryview(b"")
        self._arrived = bytearray()
        self._sizes: tuple[int, int] | None = None
        self.give(seconds)

    def give(self, seconds: float) -> None:
        """Give it so much time from now on."""
        self.until = time.monotonic() + seconds

    @property
    def size(self) -> int:
        """Bytes that arrived."""
        return len(self._arrived)

    def receive(self, others: int) -> Frame | None:
        """Take what arrived; the request, where that is all of it.

        Args:
            others: bytes that arrived from all the others.

        Raises:
            FrameError: it is no request, or there is no room for it now.
            OSError: it is gone.
        """
        wanted = HEAD.size if self._sizes is None else sum(self._sizes)
        try:
            piece = self.socket.recv(min(_PIECE, wanted - len(self._arrived)))
        except BlockingIOError:
            return None
        if not piece:
            raise ConnectionError("hung up")
        self._arrived += piece
        if len(self._arrived) < wanted:
            return None
        if self._sizes is None:
            self._begin(others)
            return None
        return unpack(self._arrived, self._sizes[0])

    def answer(self, blocks: Iterable[bytes], seconds: float) -> None:
        """Let an answer leave, as fast as it is taken and for so long at most."""
        self.leaving = memoryview(b"".join([self.leaving, *blocks]))
        self._arrived = bytearray()
        self.give(seconds)

    def send(self) -> None:
        """Send what can be sent at once.

        Raises:
            OSError: it is gone.
        """
        try:
            self.leaving = self.leaving[self.socket.send(self.leaving) :]
        except BlockingIOError:
            return

    def has_hung_up(self) -> bool:
        """Whether it waits no longer, or says something after its request."""
        try:
            self.socket.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT)
        except BlockingIOError:
            return False
        except OSError:
            return True
        return True

    def _begin(self, others: int) -> None:
        self._sizes = lengths(self._arrived)
        self._arrived = bytearray()
        if sum(self._sizes) + others > _MOST:
            raise FrameError("the process that owns the gallery is asked for too much at once; try again")
