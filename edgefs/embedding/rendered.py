"""Rendered pictures that show nothing in particular, and their embeddings, which projections are fitted to."""

from __future__ import annotations

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from numpy.typing import NDArray

from edgefs.embedding.cache import EmbeddingCache
from edgefs.embedding.torch_embedder import embed_missing
from edgefs.progress import Progress
from edgefs.render import render_training_image
from edgefs_runtime.embedders.protocol import Embedder

_PICTURES = 1024  # a projection to 512 numbers needs more than that
_AHEAD = 1 << 28  # bytes of pictures that may wait to be embedded
_KEYS = tuple(f"rendered:{number}" for number in range(_PICTURES))


class Rendering:
    """Renders, in a thread of its own, what will be embedded: always the same pictures.

    Rendering takes twice as long as embedding with a small network, and hardly holds up another thread's.

    Args:
        size: (height, width) of a picture, pixels.
        keys: of the pictures that will be asked for; as many as memory allows are begun.
    """

    def __init__(self, size: tuple[int, int], keys: Iterable[str] = _KEYS) -> None:
        self._size = size
        self._thread = ThreadPoolExecutor(1)
        begun = list(keys)[: _AHEAD // (3 * max(size) ** 2)]
        self._begun = {key: self._thread.submit(_picture, key, size) for key in begun}

    def __enter__(self) -> Rendering:
        return self

    def __exit__(self, *_: object) -> None:
        self._thread.shutdown(cancel_futures=True)

    def picture(self, key: str) -> NDArray[np.uint8]:
        """uint8 `[H,W,3]`, once it is there; it is let go."""
        begun = self._begun.pop(key, None)
        return _picture(key, self._size) if begun is None else begun.result()


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


def _picture(key: str, size: tuple[int, int]) -> NDArray[np.uint8]:
    height, width = size
    rng = np.random.default_rng(int(key.partition(":")[2]))
    return render_training_image(rng, max(size))[:height, :width]
