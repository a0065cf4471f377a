"""What every embedder is, and a model that is ready to compute by one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

Execution = tuple[str, Mapping[str, str]]  # one of onnxruntime's execution providers, and its options
CPU: Execution = ("CPUExecutionProvider", {})
GPU_BATCH = 8  # images; what an engine takes at once


class Embedder(Protocol):
    """Anything that embeds uint8 RGB images of one size."""

    dim: int

    def embed(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        """uint8 `[N,H,W,3]` to float32 `[N,D]`."""
        ...


@dataclass(frozen=True)
class Backend:
    """A bundle's model, ready to compute.

    Attributes:
        embedder: of the model.
        provider: what it runs on: `cpu`, `cuda` or `tensorrt`.
        software: the library with its version and what else the result depends on; the self-test is noted under it.
        is_exact: whether embeddings must agree with the exporter's to the last bits, or in their direction.
        note: a sentence, where this is not what was hoped for; else empty.
    """

    embedder: Embedder
    provider: str
    software: str
    is_exact: bool
    note: str = ""

    @property
    def batch(self) -> int:
        """How many images pay to be embedded at once: a GPU waits less often, a CPU gains nothing worth the wait."""
        return 1 if self.provider == "cpu" else GPU_BATCH


def embed_each(embedder: Embedder, images: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Embeddings `[k,D]` of uint8 `[k,H,W,3]`, one by one: in the last bit a batch may say something else."""
    return np.concatenate([embedder.embed(image[None]) for image in images])
