"""Rendered pictures that show nothing in particular, and their embeddings, which projections are fitted to.

with Rendering() as rendering:
    rendering.begin(size, cache, dim)                                   # in another process
    …
    rows = embed_rendered(embedder, size, rendering, cache, progress)   # [n,F]
"""

from __future__ import annotations

import threading

import numpy as np
import torch
from numpy.typing import NDArray

from edgefs.embedding.cache import EmbeddingCache
from edgefs.embedding.torch_embedder import embed_missing
from edgefs.progress import Progress
from edgefs.render import render_training_image
from edgefs.render.aside import RenderedAside
from edgefs_runtime.embedders.protocol import Embedder

_PICTURES = 1024  # a projection to 512 numbers needs more than that
_AHEAD = 1 << 28  # bytes of pictures that may wait to be embedded
_KEYS = tuple(f"rendered:{number}" for number in range(_PICTURES))


class Rendering:
    """Pictures that will be embedded, always the same ones; rendered ahead where there is a second processor."""

    def __init__(self) -> None:
        self._aside: RenderedAside | None = None
        self._one_at_a_time = threading.Lock()

    def __enter__(self) -> Rendering:
        return self

    def __exit__(self, *_: object) -> None:
        self.end()

    def end(self) -> None:
        """Render no more ahead."""
        if self._aside is not None:
            self._aside.__exit__()

    def begin(self, size: tuple[int, int], cache: EmbeddingCache, dim: int) -> None:
        """Render, once, what will be asked for; as many as memory allows.

        Args:
            size: (height, width) of a picture, pixels.
            cache: of the network that will embed them; what it holds is not rendered.
            dim: numbers of its embeddings.
        """
        if self._aside is not None or torch.get_num_threads() < 2:
            return
        known = cache.read(_KEYS, dim)
        # From the last on: whoever asks renders the first ones meanwhile, and nobody waits.
        wanted = [_seed_of(key) for key in reversed(_KEYS) if key not in known]
        self._aside = RenderedAside(wanted[: _AHEAD // (3 * max(size) ** 2)], max(size))

    def picture(self, key: str, size: tuple[int, int]) -> NDArray[np.uint8]:
        """uint8 `[H,W,3]` of (height, width); it is let go."""
        side, seed = max(size), _seed_of(key)
        picture = None if self._aside is None else self._aside.take(seed, side)
        if picture is None:
            with self._one_at_a_time:  # two threads that render hold each other up
                picture = render_training_image(np.random.default_rng(seed), side)
        return picture[: size[0], : size[1]]


def embed_rendered(
    embedder: Embedder, size: tuple[int, int], rendering: Rendering, cache: EmbeddingCache, progress: Progress
) -> NDArray[np.float32]:
    """Embeddings `[n,F]` of rendered pictures, always the same ones.

    Args:
        embedder: network and device.
        size: (height, width) of its input, pixels.
        rendering: whatever of them was begun.
        cache: of this network.
        progress: called with (pictures done, pictures in all).
    """
    found = embed_missing(_KEYS, lambda key: rendering.picture(key, size), embedder, cache, progress)
    rendering.end()
    return np.stack([found[key] for key in _KEYS])


def _seed_of(key: str) -> int:
    return int(key.partition(":")[2])
