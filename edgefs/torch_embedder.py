"""The embedding network run by torch: the same answers as the exported one, before there is an exported one."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from edgefs.cache import EmbeddingCache
from edgefs.data import Sample
from edgefs.embedding import EmbeddingNetwork
from edgefs.progress import Progress
from edgefs_runtime.errors import WeightsError
from edgefs_runtime.preprocess import Preprocess

_BATCH = 16  # images


class TorchEmbedder:
    """Embeds on `device`; satisfies the runtime's `Embedder`."""

    def __init__(self, network: EmbeddingNetwork, device: torch.device) -> None:
        self.dim = network.plan.dim
        self._network = network.to(device).eval()
        self._device = device

    @torch.inference_mode()
    def embed(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        """uint8 `[N,H,W,3]` to float32 `[N,D]`."""
        pixels = torch.from_numpy(
            images if images.flags.writeable else images.copy()
        )  # torch warns of read-only arrays
        return np.asarray(self._network(pixels.to(self._device)).cpu().numpy(), np.float32)


def embed_samples(
    samples: Sequence[Sample],
    embedder: TorchEmbedder,
    preprocess: Preprocess,
    cache: EmbeddingCache,
    progress: Progress,
) -> dict[str, NDArray[np.float32]]:
    """Embeddings `[D]` by content digest; what the cache holds is not computed again.

    Args:
        samples: images that were found to be readable.
        embedder: network and device.
        preprocess: from file to network input.
        cache: of this network and preprocessing.
        progress: called with (images done, images in all).
    """
    by_digest = {sample.digest: sample for sample in samples}
    found = cache.read(by_digest, embedder.dim)
    missing = [sample for digest, sample in by_digest.items() if digest not in found]
    progress(len(found), len(by_digest))
    for start in range(0, len(missing), _BATCH):
        chunk = missing[start : start + _BATCH]
        vectors = embedder.embed(preprocess.batch([sample.path for sample in chunk]))
        fresh = {sample.digest: vector for sample, vector in zip(chunk, vectors, strict=True)}
        cache.write(fresh)
        found |= fresh
        progress(len(found), len(by_digest))
    return found


def choose_device(name: str) -> torch.device:
    """`auto` takes a CUDA GPU where torch can use one; any other name is torch's.

    Raises:
        WeightsError: torch does not know the device, or can't use it here.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
        torch.zeros(1, device=device)
    except (RuntimeError, AssertionError) as error:
        raise WeightsError(
            f"--device {name}: torch can't use it here ({str(error).splitlines()[0]}); try auto or cpu"
        ) from error
    return device
