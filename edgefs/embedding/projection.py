"""A few hundred numbers in the place of thousands, by what pictures in general differ in.

    projection = Projection.fit(embed_rendered(…), 512)     # of pictures that show nothing in particular
    short = projection(long)                                # [N,F] -> [N,512]

The principal components of rendered pictures, each divided by the root of its deviation: half way to whitening, which
serves both few images (where what varies most says most) and many. It is learned from no image of the user's, so that
nothing measured on those becomes too good, and the mean of the rendered pictures is the origin: an embedding says in
what an image differs from everything else. How much it differs says little of its class, so that its length is 1.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

_POWER = 0.5  # of the deviation that a component is divided by: 0 leaves it, 1 whitens


@dataclass(frozen=True)
class Projection:
    """`[N,F]` to `[N,D]` of unit length.

    Attributes:
        matrix: float16 `[F,D]`: half the bytes in the bundle, and what it rounds is far below what images differ in.
        shift: float32 `[D]`.
    """

    matrix: NDArray[np.float16]
    shift: NDArray[np.float32]

    @classmethod
    def fit(cls, vectors: NDArray[np.float32], dim: int) -> Projection:
        """Fit a projection to at most `dim` numbers to embeddings `[n,F]` of pictures in general."""
        rows = vectors.astype(np.float64)
        mean = rows.mean(axis=0)
        _, lengths, components = np.linalg.svd(rows - mean, full_matrices=False)
        kept = min(dim, int((lengths > 1e-9 * lengths[0]).sum()))
        deviations = lengths[:kept] / np.sqrt(len(rows))
        scale = deviations**-_POWER
        scale /= np.sqrt((scale**2 * deviations**2).sum())  # so that float16 has digits for it
        matrix = (components[:kept] * scale[:, None]).T.astype(np.float16)
        return cls(matrix, (-mean @ matrix.astype(np.float64)).astype(np.float32))

    @classmethod
    def zeros(cls, width: int, dim: int) -> Projection:
        """A place for one that is to be loaded."""
        return cls(np.zeros((width, dim), np.float16), np.zeros(dim, np.float32))

    def __call__(self, vectors: NDArray[np.float32]) -> NDArray[np.float32]:
        """Project `[N,F]` and bring each row to unit length."""
        rows = vectors @ self.matrix.astype(np.float32) + self.shift
        return np.asarray(rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12), np.float32)
