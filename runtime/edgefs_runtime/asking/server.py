"""The owner's side of the socket: one thread that reads requests, does them, and sends what came of them.

- It lives as long as this process owns the gallery, and ends with `stop`; it keeps nobody's owner alive.
- Connections are read and written without waiting, each within a time. So one that hangs, or sends half a request,
  keeps nobody waiting; where there are too many, the one goes that has sent nothing for longest.
- Acts are done one after another, under the lock under which the process does its own. While that is not free the
  thread waits for it, and for nothing else; who asked may hang up, and nothing is done then.
"""

from __future__ import annotations

import os
import selectors
import socket
import threading
import time
import weakref
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from edgefs_runtime.asking.caller import Caller
from edgefs_runtime.asking.frames import Frame, pack
from edgefs_runtime.asking.messages import UNKNOWN, Answer
from edgefs_runtime.asking.performing import Owner, perform
from edgefs_runtime.asking.place import is_offered, leave, listen, may_ask
from edgefs_runtime.base.errors import EdgefsError
from edgefs_runtime.base.logs import logger_of

if TYPE_CHECKING:
    from edgefs_runtime.gallery import Gallery

MOST_CALLERS = 32
_SECONDS = 10.0  # in which a request must have arrived, or its answer been taken
_PAUSE = 0.05  # seconds between two looks at who waits for the lock
_LAST = 1.0  # seconds for answers that have not left when the owner stops
_BEGAN = {"began": True}
_logger = logger_of(__name__)


def serve(gallery: Path, owner: Owner) -> Server | None:
    """Let other processes act on a gallery that this one owns; None where the system can't.

    Args:
        gallery: the gallery's file.
        owner: who owns it.
    """
    if not is_offered():
        return None
    try:
        return Server(gallery, owner)
    except OSError as error:
        _logger.warning("%s: other processes can't act through this one (%s)", gallery, error)
        return None


class Server:
    """Answers who asks for acts on a gallery that this process owns.

    Args:
        gallery: the gallery's file.
        owner: who owns it.

    Raises:
        OSError: there can't be a socket beside the gallery.
    """

    def __init__(self, gallery: Path, owner: Owner) -> None:
        self._gallery = gallery
        self._owner = weakref.ref(owner)
        self._listener = listen(gallery)
        self._woken, self._wake = socket.socketpair()
        self._stopping = threading.Event()
        self._process = os.getpid()
        self._callers: dict[int, Caller] = {}
        self._selector = selectors.DefaultSelector()
        self._thread = threading.Thread(target=self._serve, name="edgefs: acts for others", daemon=True)
        self._thread.start()
        self._finalizer = weakref.finalize(owner, self.stop)

    def stop(self) -> None:
        """Take no request any more, while the gallery is still owned; a fork of the owner stops nothing."""
        if self._stopping.is_set() or os.getpid() != self._process:
            return
        self._stopping.set()
        self._finalizer.detach()
        leave(self._gallery)
        with suppress(OSError):
            self._wake.send(b".")

    def after_fork(self) -> None:
        """Hold no connection open in a fork: who asks must see when the owner is gone."""
        self._finalizer.detach()
        self._close()

    def join(self) -> None:
        """Wait until the last answers have left, or can't."""
        if threading.current_thread() is not self._thread:
            self._thread.join(2 * _LAST)

    def _serve(self) -> None:
        self._selector.register(self._listener, selectors.EVENT_READ, self._take)
        self._selector.register(self._woken, selectors.EVENT_READ, None)
        try:
            while not self._stopping.is_set():
                for key, _ in self._selector.select(self._patience()):
                    if key.data is not None and not self._stopping.is_set():
                        key.data()
                self._drop_late()
            self._say_last()
        except Exception:
            _logger.exception("%s: other processes can't act through this one any more", self._gallery)
        finally:
            self._close()

    def _close(self) -> None:
        for one in (self._selector, self._listener, self._woken, self._wake):
            one.close()
        for caller in self._callers.values():
            caller.socket.close()

    def _patience(self) -> float | None:
        """Seconds until somebody is late; None while nobody can be."""
        until = min((caller.until for caller in self._callers.values()), default=None)
        return None if until is None else max(0.0, until - time.monotonic())

    def _drop_late(self) -> None:
        for caller in list(self._callers.values()):
            if caller.until <= time.monotonic():
                self._drop(caller)

    def _take(self) -> None:
        """Take a connection; where there are too many, in the place of the oldest."""
        try:
            connection, _ = self._listener.accept()
        except BlockingIOError:
            return
        except OSError as error:  # no descriptor is free
            _logger.warning("%s: nobody can be answered now (%s)", self._gallery, error)
            self._stopping.wait(_PAUSE)
            return
        if not may_ask(connection):
            connection.close()
            return
        if len(self._callers) >= MOST_CALLERS:
            self._drop(min(self._callers.values(), key=lambda caller: (bool(caller.leaving), caller.until)))
        caller = Caller(connection, _SECONDS)
        self._callers[connection.fileno()] = caller
        self._selector.register(connection, selectors.EVENT_READ, lambda: self._hear(caller))

    def _drop(self, caller: Caller) -> None:
        self._callers.pop(caller.socket.fileno(), None)
        with suppress(KeyError, ValueError):
            self._selector.unregister(caller.socket)
        caller.socket.close()

    def _hear(self, caller: Caller) -> None:
        """Take what arrived of a request, and do it where it is whole."""
        try:
            frame = caller.receive(sum(other.size for other in self._callers.values() if other is not caller))
            if frame is not None:
                with self._patient():
                    self._do(caller, frame)
        except OSError:
            self._drop(caller)
        except EdgefsError as error:
            self._answer(caller, Answer(("", 0), error=str(error)))
        except Exception as error:  # ours, or no memory: the line goes on
            _logger.exception("%s: what another process asked for failed", self._gallery)
            told = f"the process that owns the gallery failed ({type(error).__name__}), its log says more; {UNKNOWN}"
            self._answer(caller, Answer(("", 0), error=told))

    @contextmanager
    def _patient(self) -> Iterator[None]:
        """Blame nobody for the time that an act takes."""
        began = time.monotonic()
        try:
            yield
        finally:
            for caller in self._callers.values():
                caller.until += time.monotonic() - began

    def _do(self, caller: Caller, frame: Frame) -> None:
        owner = self._owner()
        if owner is None:
            return
        while not owner.lock.acquire(timeout=_PAUSE):
            if self._stopping.is_set():
                return
            if caller.has_hung_up():
                self._drop(caller)
                return
        try:
            gallery = owner.owned
            if gallery is None or self._stopping.is_set() or caller.has_hung_up():
                self._drop(caller)
                return
            self._begin(caller, owner, gallery, frame)
        finally:
            owner.lock.release()

    def _begin(self, caller: Caller, owner: Owner, gallery: Gallery, frame: Frame) -> None:
        """Say that it is begun, do it, and say what came of it."""
        caller.answer(pack(_BEGAN), _SECONDS)
        caller.send()
        self._answer(caller, perform(owner, gallery, frame))

    def _answer(self, caller: Caller, answer: Answer) -> None:
        """Let an answer leave; the connection ends with it."""
        caller.answer(pack(answer.to_json()), _SECONDS)
        with suppress(KeyError):
            self._selector.modify(caller.socket, selectors.EVENT_WRITE, lambda: self._tell(caller))

    def _tell(self, caller: Caller) -> None:
        try:
            caller.send()
        except OSError:
            self._drop(caller)
            return
        if not caller.leaving:
            self._drop(caller)

    def _say_last(self) -> None:
        """Let the answers leave that are on their way."""
        until = time.monotonic() + _LAST
        for caller in self._callers.values():
            if caller.leaving:
                with suppress(OSError):
                    caller.socket.settimeout(max(0.01, until - time.monotonic()))
                    caller.socket.sendall(caller.leaving)
