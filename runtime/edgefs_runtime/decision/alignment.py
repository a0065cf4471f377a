"""Alignment of embeddings after a change of camera or lamp: an affine map from the new camera into the gallery's space.

It is fitted from unlabelled embeddings and needs no training by `edgefs_runtime.realign`:

    alignment = fit_alignment(batch, snapshot, "mean")
    mapped = alignment(vectors)

- `mean` shifts. `moments` also stretches the directions in which the classes differ, which a weaker contrast pulls
  together. `coral` also turns, so that the scatter within the classes is the gallery's (correlation alignment, Sun et
  al. 2016, arXiv:1511.05547).
- `none` maps nothing: the camera is as it was when the gallery was taught.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from functools import cached_property
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from edgefs_runtime.base.errors import GalleryError

Kind = Literal["none", "mean", "moments", "coral"]
Choice = Literal["auto", "mean", "moments", "coral"]

KINDS: tuple[Kind, ...] = get_args(Kind)


@dataclass(frozen=True)
class Alignment:
    """x ↦ x·scale + (x·left)·right + shift, and then as long as x was where the space is of unit length.

    Attributes:
        kind: how it was fitted.
        scale: float32 `[D]`.
        shift: float32 `[D]`.
        left: float32 `[D,r]`; r = 0 for `none` and `mean`, one less than the classes for `moments`, which stretches
            the directions in which they differ, and more for `coral`, which also turns.
        right: float32 `[r,D]`.
        unit: whether embeddings have unit length here. The length of a row is kept, not set to one: a mean of
            embeddings is shorter, and stays so.
    """

    kind: Kind
    scale: NDArray[np.float32]
    shift: NDArray[np.float32]
    left: NDArray[np.float32]
    right: NDArray[np.float32]
    unit: bool

    @classmethod
    def identity(cls, dim: int) -> Alignment:
        """Maps every embedding `[D]` to itself."""
        return cls(
            "none",
            np.ones(dim, np.float32),
            np.zeros(dim, np.float32),
            np.zeros((dim, 0), np.float32),
            np.zeros((0, dim), np.float32),
            unit=False,
        )

    @property
    def dim(self) -> int:
        """Length of an embedding, D."""
        return len(self.shift)

    @cached_property
    def digest(self) -> str:
        """SHA-256 of its bytes, lower-case hex."""
        return hashlib.sha256(self.to_bytes()).hexdigest()

    def __call__(self, vectors: NDArray[np.float32]) -> NDArray[np.float32]:
        """Rows `[N,V·D]` of the new camera, V embeddings end to end, as the gallery compares them, `[N,V·D]`."""
        if self.kind == "none" or not len(vectors):
            return vectors
        rows = np.ascontiguousarray(vectors, np.float32).reshape(-1, self.dim)
        mapped = rows * self.scale + (rows @ self.left) @ self.right + self.shift
        if self.unit:
            lengths = np.maximum(np.linalg.norm(mapped, axis=1), 1e-12)
            mapped *= (np.linalg.norm(rows, axis=1) / lengths)[:, None]
        return mapped.astype(np.float32, copy=False).reshape(vectors.shape)

    def to_bytes(self) -> bytes:
        """A JSON header's length (4 bytes, little-endian), the header, then the four arrays as `<f4`."""
        header = {"kind": self.kind, "dim": self.dim, "rank": len(self.right), "unit": self.unit}
        text = json.dumps(header, sort_keys=True, separators=(",", ":")).encode("ascii")
        arrays = (self.scale, self.shift, self.left, self.right)
        blocks = [np.ascontiguousarray(array, "<f4").tobytes() for array in arrays]
        return b"".join([len(text).to_bytes(4, "little"), text, *blocks])

    @classmethod
    def from_bytes(cls, data: bytes) -> Alignment:
        """Read what `to_bytes` wrote.

        Raises:
            GalleryError: it is something else.
        """
        try:
            start = 4 + int.from_bytes(data[:4], "little")
            header = json.loads(data[4:start])
            kind, dim, rank, unit = header["kind"], int(header["dim"]), int(header["rank"]), bool(header["unit"])
            numbers = np.frombuffer(data, "<f4", offset=start).astype(np.float32)
            whole = len(numbers) == 2 * dim * (1 + rank)
            if kind not in KINDS or dim < 1 or rank < 0 or not whole or not np.isfinite(numbers).all():
                raise ValueError("not an alignment")
            scale, shift, left, right = np.split(numbers, np.cumsum([dim, dim, dim * rank]))
            return cls(kind, scale, shift, left.reshape(dim, rank), right.reshape(rank, dim), unit)
        except (ValueError, KeyError, TypeError) as error:
            raise GalleryError("an alignment can't be read; `edgefs gallery check` says more") from error
