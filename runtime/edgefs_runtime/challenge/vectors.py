"""Embeddings of challenge parts, kept so that judging them again costs no inference.

`vectors-<space>.npz` holds `digests` text [N], `vectors` float32 [N,D], and `reasons` text [N]: why an image can't be
judged under this bundle's preprocessing, or nothing. A row of such an image is zero and never looked at.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from edgefs_runtime.base.archive import ArchiveError, read_archive
from edgefs_runtime.base.arrays import pack_arrays, unpack_arrays
from edgefs_runtime.base.durable import replace_file
from edgefs_runtime.base.errors import BundleError, ImageError
from edgefs_runtime.base.logs import logger_of
from edgefs_runtime.bundle.bundle import Bundle
from edgefs_runtime.challenge.parts import ChallengePart
from edgefs_runtime.decision.judge import Seen
from edgefs_runtime.embedders.protocol import Embedder
from edgefs_runtime.images import content_digest
from edgefs_runtime.images.usable import sight_of

_KINDS = {"digests": "U", "vectors": "f", "reasons": "U"}
_logger = logger_of(__name__)


class Vectors:
    """Embeddings of a folder's parts in the space of one bundle.

    Args:
        folder: of the parts.
        bundle: whose preprocessing counts.
        embedder: of the bundle.
        keeps: write what was computed into the folder; not into another gallery's.
    """

    def __init__(self, folder: Path, bundle: Bundle, embedder: Embedder, *, keeps: bool = True) -> None:
        self._keeps = keeps
        self._folder = folder
        self._path = folder / f"vectors-{bundle.space_id[:16]}.npz"
        self._preprocess = bundle.manifest.preprocess
        self._embedder = embedder

    def of(self, parts: Sequence[ChallengePart]) -> list[Seen]:
        """Embedding `[D]` of each part, or why it can't be judged; what is not kept is computed and kept."""
        kept = self._read()
        seen = {part.sha256: kept[part.sha256] for part in parts if part.sha256 in kept}
        faults = {}
        for part in parts:
            if part.sha256 in seen:
                continue
            try:
                seen[part.sha256] = self._embed(self.content(part))
            except ImageError as error:  # not kept: the file may be put right
                faults[part.sha256] = str(error)
        if self._keeps and seen.keys() != kept.keys():
            self._write(seen)
        return [{**seen, **faults}[part.sha256] for part in parts]

    def content(self, part: ChallengePart) -> bytes:
        """The kept image file.

        Raises:
            ImageError: it can't be read or is damaged.
        """
        try:
            data = (self._folder / part.file_name).read_bytes()
        except OSError as error:
            raise ImageError(f"its kept image can't be read: {error.strerror or error}") from error
        if content_digest(data) != part.sha256:
            raise ImageError("its kept image is damaged; add it again")
        return data

    def _embed(self, data: bytes) -> Seen:
        try:
            pixels, reason = sight_of(data, self._preprocess)
        except ImageError as error:
            return str(error)
        return reason or self._embedder.embed(pixels[None])[0]

    def _read(self) -> dict[str, Seen]:
        """What is kept; nothing where the file is missing or damaged."""
        try:
            data = self._path.read_bytes()
            if not all(member.is_intact() for member in read_archive(data).values()):
                return {}  # it is not synced: a power cut may have torn it
            arrays = unpack_arrays(data, _KINDS, self._path.name)
        except (OSError, ArchiveError, BundleError):
            return {}
        digests, vectors, reasons = (arrays[key] for key in ("digests", "vectors", "reasons"))
        if vectors.shape != (len(digests), self._embedder.dim) or reasons.shape != digests.shape:
            return {}
        rows = zip(digests.tolist(), vectors.astype(np.float32, copy=False), reasons.tolist(), strict=True)
        return {digest: reason or vector for digest, vector, reason in rows}

    def _write(self, seen: dict[str, Seen]) -> None:
        """Keep what is seen; where that can't be written it is computed again next time."""
        nothing = np.zeros(self._embedder.dim, np.float32)
        rows = [nothing if isinstance(row, str) else row for row in seen.values()]
        arrays = {
            "digests": np.array(list(seen), np.str_),
            "vectors": np.array(rows, np.float32).reshape(len(rows), self._embedder.dim),
            "reasons": np.array([row if isinstance(row, str) else "" for row in seen.values()], np.str_),
        }
        try:
            replace_file(self._path, [pack_arrays(arrays)], synced=False)
        except OSError as error:
            _logger.info("%s: can't be written (%s)", self._path, error)
