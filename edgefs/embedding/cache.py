"""Embeddings that were computed once, by the image's content digest: a second run on the same images is instant.

One SQLite file for each network with its preprocessing. What it holds can be computed again, so a damaged or unwritable
cache is passed over, and each batch is committed as it comes: an interrupted run has not been in vain. Each embedding
bears a CRC-32, since SQLite does not look inside what it stores: one that a disk has changed is computed again.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import sqlite3
import zlib
from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from platformdirs import user_cache_path

from edgefs_runtime.base.logs import logger_of

_logger = logger_of(__name__)
_KEYS = 500  # digests looked up at a time
_GENERATION = "4"  # raised whenever the same weights come to mean another embedding, or a row is written otherwise
_CRC = 4  # bytes


class EmbeddingCache:
    """Embeddings of one network; `EmbeddingCache(None)` remembers nothing."""

    def __init__(self, path: Path | None) -> None:
        self._connection: sqlite3.Connection | None = None
        if path is None:
            return
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._connection = _connect(path)
        except (OSError, sqlite3.Error) as error:
            _logger.warning("embeddings are not cached: %s (%s)", path, error)

    def read(self, digests: Iterable[str], dim: int) -> dict[str, NDArray[np.float32]]:
        """The embeddings `[dim]` that are known."""
        found: dict[str, NDArray[np.float32]] = {}
        if self._connection is None:
            return found
        wanted = list(digests)
        with contextlib.suppress(sqlite3.Error):
            for start in range(0, len(wanted), _KEYS):
                chunk = wanted[start : start + _KEYS]
                query = f"SELECT digest, vector FROM embedding WHERE digest IN ({','.join('?' * len(chunk))})"  # noqa: S608
                for digest, blob in self._connection.execute(query, chunk):
                    vector = bytes(blob[:-_CRC])
                    if len(vector) == 4 * dim and blob == _sealed(digest, vector):
                        found[digest] = np.frombuffer(vector, "<f4").astype(np.float32, copy=False)
                    else:
                        _logger.warning("a remembered embedding is damaged and is computed again: %s", digest)
        return found

    def write(self, vectors: Mapping[str, NDArray[np.float32]]) -> None:
        """Remember embeddings."""
        if self._connection is None:
            return
        rows = [(digest, _sealed(digest, vector.astype("<f4").tobytes())) for digest, vector in vectors.items()]
        with contextlib.suppress(sqlite3.Error), self._connection:
            self._connection.executemany("INSERT OR REPLACE INTO embedding VALUES (?, ?)", rows)

    def close(self) -> None:
        """Let the file go."""
        if self._connection is not None:
            self._connection.close()


def cache_path(*parts: str) -> Path:
    """The cache file of what `parts` name: everything that the embeddings depend on."""
    name = hashlib.sha256("\n".join((_GENERATION, *parts)).encode()).hexdigest()[:24]
    return cache_folder() / "embeddings" / f"{name}.sqlite"


def cache_folder() -> Path:
    """`$EDGEFS_CACHE`, else the platform's folder for what can be made again."""
    if chosen := os.environ.get("EDGEFS_CACHE"):
        return Path(chosen)
    return user_cache_path("edgefs", appauthor=False)


def _sealed(digest: str, vector: bytes) -> bytes:
    """A row's blob: the embedding with the CRC-32 of it and of whose it is."""
    return vector + zlib.crc32(vector, zlib.crc32(digest.encode())).to_bytes(_CRC, "little")


def _connect(path: Path) -> sqlite3.Connection:
    try:
        return _prepare(path)
    except sqlite3.DatabaseError:  # damaged: nothing in it can't be made again
        path.unlink(missing_ok=True)
        return _prepare(path)


def _prepare(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path, timeout=10)
    try:
        connection.execute("PRAGMA synchronous = OFF")
        connection.execute("CREATE TABLE IF NOT EXISTS embedding (digest TEXT PRIMARY KEY, vector BLOB) WITHOUT ROWID")
        connection.execute("SELECT count(*) FROM (SELECT digest FROM embedding LIMIT 1)")
    except sqlite3.Error:
        connection.close()
        raise
    return connection
