"""The embedding network run by torch: the same answers as the exported one, before there is an exported one."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from edgefs.data import Sample
from edgefs.embedding.cache import EmbeddingCache
from edgefs.embedding.gallery_network import GalleryNetwork
from edgefs.embedding.network import EmbeddingNetwork
from edgefs.progress import Progress
from edgefs.render import render_training_image
from edgefs_runtime.base.errors import WeightsError
from edgefs_runtime.base.wording import first_line
from edgefs_runtime.embedders.protocol import Embedder
from edgefs_runtime.images.preprocess import SYMMETRIES, Preprocess

_BATCH = 16  # images
_PICTURES = 1024  # rendered; a projection to 512 numbers needs more than that


class TorchEmbedder:
    """Embeds on `device`; satisfies the runtime's `Embedder`."""

    def __init__(self, network: EmbeddingNetwork | GalleryNetwork, device: torch.device) -> None:
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

    def pixels(key: str) -> NDArray[np.uint8]:
        sample, name = wanted[key]
        return SYMMETRIES[name](preprocess(sample.path))

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
    """Embeddings `[D]` by key: from the cache, else of `pixels(key)`, uint8 `[H,W,3]`."""
    wanted = list(keys)
    found = cache.read(wanted, embedder.dim)
    missing = [key for key in wanted if key not in found]
    progress(len(found), len(wanted))
    for start in range(0, len(missing), _BATCH):
        chunk = missing[start : start + _BATCH]
        vectors = embedder.embed(np.stack([pixels(key) for key in chunk]))
        fresh = dict(zip(chunk, vectors, strict=True))
        cache.write(fresh)
        found |= fresh
        progress(len(found), len(wanted))
    return found


def embed_rendered(
    embedder: Embedder, size: tuple[int, int], cache: EmbeddingCache, progress: Progress
) -> NDArray[np.float32]:
    """Embeddings `[n,F]` of rendered pictures, always the same ones.

    Args:
        embedder: network and device.
        size: (height, width) of its input, pixels.
        cache: of this network.
        progress: called with (pictures done, pictures in all).
    """
    height, width = size

    def picture(key: str) -> NDArray[np.uint8]:
        rng = np.random.default_rng(int(key.partition(":")[2]))
        return render_training_image(rng, max(size))[:height, :width]

    keys = [f"rendered:{number}" for number in range(_PICTURES)]
    found = embed_missing(keys, picture, embedder, cache, progress)
    return np.stack([found[key] for key in keys])


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
