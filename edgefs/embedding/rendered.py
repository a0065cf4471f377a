"""Rendered pictures that show nothing in particular, and their embeddings, which projections are fitted to.

with Rendering(size, missing_pictures(cache, dim)) as rendering:   # another process begins
    …
    rows = embed_rendered(embedder, rendering, cache, progress)
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import torch
from numpy.typing import NDArray

from edgefs.embedding.cache import EmbeddingCache
from edgefs.embedding.torch_embedder import embed_missing
from edgefs.progress import Progress
from edgefs.render.aside import RenderedAside
from edgefs_runtime.embedders.protocol import Embedder

_PICTURES = 1024  # a projection to 512 numbers needs more than that
_AHEAD = 1 << 28  # bytes of pictures that may wait to be embedded
_KEYS = tuple(f"rendered:{number}" for number in range(_PICTURES))


class Rendering:
    """Pictures that will be embedded, always the same ones; where there is a second processor they are rendered ahead.

    Args:
        size: (height, width) of a picture, pixels.
        keys: of the pictures that will be asked for; as many as memory allows are begun.
    """

    def __init__(self, size: tuple[int, int], keys: Iterable[str] = _KEYS) -> None:
        self._size = size
        most = _AHEAD // (3 * max(size) ** 2) if torch.get_num_threads() > 1 else 0
        self._aside = RenderedAside([_seed_of(key) for key in list(keys)[:most]], max(size))

    def __enter__(self) -> Rendering:
        return self

    def __exit__(self, *_: object) -> None:
        self._aside.__exit__()

    def picture(self, key: str) -> NDArray[np.uint8]:
        """uint8 `[H,W,3]`; it is let go."""
        height, width = self._size
        return self._aside.take(_seed_of(key))[:height, :width]


def missing_pictures(cache: EmbeddingCache, dim: int) -> list[str]:
    """Keys of the pictures whose embeddings `[dim]` are not remembered."""
    known = cache.read(_KEYS, dim)
    return [key for key in _KEYS if key not in known]


def embed_rendered(
    embedder: Embedder, rendering: Rendering, cache: EmbeddingCache, progress: Progress
) -> NDArray[np.float32]:
    """Embeddings `[n,F]` of rendered pictures, always the same ones.

    Args:
        embedder: network and device.
        rendering: of pictures of its input's size.
        cache: of this network.
        progress: called with (pictures done, pictures in all).
    """
    found = embed_missing(_KEYS, rendering.picture, embedder, cache, progress)
    return np.stack([found[key] for key in _KEYS])


def _seed_of(key: str) -> int:
    return int(key.partition(":")[2])
