"""The embedding network run by torch: the same answers as the exported one, before there is an exported one."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from typing import TypeVar

import numpy as np
import torch
from numpy.typing import NDArray

from edgefs.data import Sample
from edgefs.embedding.cache import EmbeddingCache
from edgefs.embedding.gallery_network import GalleryNetwork
from edgefs.embedding.network import EmbeddingNetwork
from edgefs.progress import Progress
from edgefs_runtime.base.errors import WeightsError
from edgefs_runtime.base.wording import first_line
from edgefs_runtime.embedders.protocol import Embedder
from edgefs_runtime.images.preprocess import SYMMETRIES, Preprocess

_BATCH = 16  # images
_MOST_WORKERS = 4  # batches at a time; each holds the network's largest maps
_DECODED = 2 * _MOST_WORKERS  # images that are kept while their other views are asked for
Item = TypeVar("Item")
Done = TypeVar("Done")


class TorchEmbedder:
    """Embeds on `device`; satisfies the runtime's `Embedder`.

    Attributes:
        dim: D.
        workers: batches that are worth embedding at a time.
    """

    def __init__(self, network: EmbeddingNetwork | GalleryNetwork, device: torch.device) -> None:
        self.dim = network.plan.dim
        self.workers = min(_MOST_WORKERS, torch.get_num_threads()) if device.type == "cpu" else 1
        self._network = network.to(device).eval()
        self._device = device

    @torch.inference_mode()
    def embed(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        """uint8 `[N,H,W,3]` to float32 `[N,D]`."""
        pixels = torch.from_numpy(
            images if images.flags.writeable else images.copy()
        )  # torch warns of read-only arrays
        return np.asarray(self._network(pixels.to(self._device)).cpu().numpy(), np.float32)


class OneByOne:
    """Another embedder, asked for one image at a time: what a device does, where a batch may round otherwise."""

    def __init__(self, embedder: Embedder) -> None:
        self.dim = embedder.dim
        self._embedder = embedder

    def embed(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        """uint8 `[N,H,W,3]` to float32 `[N,D]`."""
        return np.concatenate([self._embedder.embed(image[None]) for image in images])


def embed_samples(
    samples: Sequence[Sample],
    embedder: Embedder,
    preprocess: Preprocess,
    cache: EmbeddingCache,
    progress: Progress,
    symmetries: Sequence[str] = ("",),
) -> dict[str, NDArray[np.float32]]:
    """Embeddings `[len(symmetries)·D]` by content digest; what the cache holds is not computed again.

    Args:
        samples: images that were found to be readable.
        embedder: network and device.
        preprocess: from file to network input.
        cache: of this network and preprocessing.
        progress: called with (images done, images in all).
        symmetries: the views of each image that are embedded, keys of `SYMMETRIES`.
    """
    wanted = {f"{sample.digest}/{name}".rstrip("/"): (sample, name) for sample in samples for name in symmetries}
    decoded = lru_cache(maxsize=_DECODED)(preprocess)  # the views of an image come one after the other

    def pixels(key: str) -> NDArray[np.uint8]:
        sample, name = wanted[key]
        return SYMMETRIES[name](decoded(sample.path))

    found = embed_missing(wanted, pixels, embedder, cache, progress)
    return {
        sample.digest: np.concatenate([found[f"{sample.digest}/{name}".rstrip("/")] for name in symmetries])
        for sample in samples
    }


def embed_missing(
    keys: Iterable[str],
    pixels: Callable[[str], NDArray[np.uint8]],
    embedder: Embedder,
    cache: EmbeddingCache,
    progress: Progress,
) -> dict[str, NDArray[np.float32]]:
    """Embeddings `[D]` by key: from the cache, else of `pixels(key)`, uint8 `[H,W,3]`, which several threads call."""
    wanted = list(keys)
    found = cache.read(wanted, embedder.dim)
    missing = [key for key in wanted if key not in found]
    progress(len(found), len(wanted))

    def embedded(chunk: Sequence[str]) -> dict[str, NDArray[np.float32]]:
        return dict(zip(chunk, embedder.embed(np.stack([pixels(key) for key in chunk])), strict=True))

    chunks = [missing[start : start + _BATCH] for start in range(0, len(missing), _BATCH)]
    for fresh in _side_by_side(embedded, chunks, embedder.workers if isinstance(embedder, TorchEmbedder) else 1):
        cache.write(fresh)
        found |= fresh
        progress(len(found), len(wanted))
    return found


def _side_by_side(work: Callable[[Item], Done], items: Sequence[Item], workers: int) -> Iterator[Done]:
    """Do `work` to each item, several at a time, and give the results in their order.

    Batches side by side have each a processor of their own. Threads inside one batch wait for each other after every
    layer, and spin meanwhile: beside another busy program, `nano` took ten times as long. The numbers are the same.
    """
    threads = torch.get_num_threads()
    pool = ThreadPoolExecutor(workers, initializer=torch.set_num_threads, initargs=(max(1, threads // workers),))
    try:
        yield from pool.map(work, items)
    finally:
        pool.shutdown(cancel_futures=True)
        torch.set_num_threads(threads)  # what a worker sets is where any later thread would begin


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
            f"--device {name}: torch can't use it here ({first_line(error)}); try auto or cpu"
        ) from error
    return device
