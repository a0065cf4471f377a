"""Embeddings that stay in the file until they are asked for, as those of a large gallery do.

Opening looks at which are there and how long they are; what is in them is checked whenever one is read.
"""

from __future__ import annotations

import hashlib
import sqlite3
import threading
from collections.abc import Callable, Iterator, Mapping, MutableMapping
from contextlib import AbstractContextManager, contextmanager

from edgefs_runtime.gallery.database import CURE, GalleryDamagedError

Opened = Callable[[], AbstractContextManager[sqlite3.Connection]]


class BlobDamagedError(GalleryDamagedError):
    """Embeddings are not what was written.

    Attributes:
        digest: of what was written.
    """

    def __init__(self, digest: str) -> None:
        super().__init__(f"embeddings {digest:.12} are not what was written; {CURE}")
        self.digest = digest


class StoredBlobs(MutableMapping[str, bytes]):
    """Embeddings by digest, read when asked for.

    Args:
        sizes: bytes of each, by digest.
        opened: gives a connection to the file for the length of a `with` block.
    """

    def __init__(self, sizes: dict[str, int], opened: Opened) -> None:
        self._sizes = sizes
        self._opened = opened
        self._further: dict[str, bytes] = {}  # in no file yet
        self._connection: sqlite3.Connection | None = None
        self._lock = threading.RLock()

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """Keep the file open for all that is read in a `with` block."""
        with self._lock:
            if self._connection is not None:
                yield self._connection
                return
            with self._opened() as connection:
                self._connection = connection
                try:
                    yield connection
                finally:
                    self._connection = None

    def size(self, digest: str) -> int | None:
        """Bytes of one; None where it is not there."""
        return len(self._further[digest]) if digest in self._further else self._sizes.get(digest)

    def __getitem__(self, digest: str) -> bytes:
        if digest in self._further:
            return self._further[digest]
        if digest not in self._sizes:
            raise KeyError(digest)
        with self.reading() as connection:
            try:
                row = connection.execute("SELECT data FROM blob WHERE sha256 = ?", (digest,)).fetchone()
            except sqlite3.ProgrammingError:
                raise  # a fault of ours, and not the file's
            except sqlite3.DatabaseError as error:
                raise BlobDamagedError(digest) from error
        if row is None or not isinstance(row[0], bytes) or hashlib.sha256(row[0]).hexdigest() != digest:
            raise BlobDamagedError(digest)
        return row[0]

    def __setitem__(self, digest: str, data: bytes) -> None:
        self._sizes[digest] = len(data)  # the file holds it: a row that names it was written

    def __delitem__(self, digest: str) -> None:
        del self._sizes[digest]

    def __iter__(self) -> Iterator[str]:
        yield from self._sizes
        yield from self._further.keys() - self._sizes.keys()

    def __len__(self) -> int:
        return len(self._sizes.keys() | self._further.keys())

    def __contains__(self, digest: object) -> bool:
        return digest in self._sizes or digest in self._further

    def beside(self, further: Mapping[str, bytes]) -> StoredBlobs:
        """These and some more, which are in no file yet."""
        both = StoredBlobs(dict(self._sizes), self._opened)  # what is found damaged there is not yet apart here
        both._further = {**self._further, **further}
        return both
