"""Bytes that lie in memory once, under a path where the system can give them one.

A library that is given bytes copies them before it reads them, and the caller holds them all the while; one that is
given a path reads a file. A file in memory (Linux's memfd) is both: what was checked is what is read, since nobody else
can write to it, and no copy of it lies in this process. That is two copies of a network less, and a sixth of the time
to load it. Where there is no such file the bytes are held, and there is no path.
"""

from __future__ import annotations

import hashlib
import mmap
import os
import threading
import weakref
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

_STEP = 1 << 20  # bytes copied at a time


class MemoryFile:
    """A part of a file, copied; its hash is computed while the caller does something else.

    Attributes:
        size: bytes that there were, fewer than asked for where the file ends before.
        path: of the file in memory, as long as this object lives; empty where there is none.
    """

    def __init__(self, file: BinaryIO, start: int, size: int) -> None:
        self._held = b""
        self._descriptor = _memory()
        if self._descriptor is not None:
            weakref.finalize(self, os.close, self._descriptor)
        self.path = "" if self._descriptor is None else f"/proc/self/fd/{self._descriptor}"
        self.size = self._copy(file, start, size)
        self._sha256 = ""
        self._hashing = threading.Thread(target=self._hash)
        self._hashing.start()

    @property
    def sha256(self) -> str:
        """Lower-case hex SHA-256 of the bytes."""
        self._hashing.join()
        return self._sha256

    def read(self) -> bytes:
        """All of the bytes."""
        return self._held if self._descriptor is None else Path(self.path).read_bytes()

    @contextmanager
    def mapped(self) -> Iterator[bytes | mmap.mmap]:
        """All of it for the length of a `with` block, without a copy where it is a file in memory."""
        if self._descriptor is None or not self.size:
            yield self._held
            return
        with mmap.mmap(self._descriptor, self.size, prot=mmap.PROT_READ) as content:
            yield content

    def _copy(self, file: BinaryIO, start: int, size: int) -> int:
        file.seek(start)
        if self._descriptor is None:
            self._held = b"".join(_steps(file, size))
            return len(self._held)
        copied = 0
        for data in _steps(file, size):
            written = 0
            while written < len(data):
                written += os.write(self._descriptor, memoryview(data)[written:])
            copied += written
        return copied

    def _hash(self) -> None:
        """Hash the content in one call, during which Python's lock is let go."""
        with self.mapped() as content:
            self._sha256 = hashlib.sha256(content).hexdigest()


def _steps(file: BinaryIO, size: int) -> Iterator[bytes]:
    while size and (data := file.read(min(size, _STEP))):
        size -= len(data)
        yield data


def _memory() -> int | None:
    """The descriptor of a new file in memory that can be opened by its path; None where there is no such thing."""
    if not hasattr(os, "memfd_create"):
        return None
    with suppress(OSError):  # some systems forbid it
        descriptor = os.memfd_create("edgefs")
        if os.path.exists(f"/proc/self/fd/{descriptor}"):  # noqa: PTH110 - a cold start waits for it
            return descriptor
        os.close(descriptor)
    return None
