"""Images embedded side by side, and rendered ahead: the numbers are those of one after the other."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
import torch
from textures import draw
from tiny import tiny_backbone

from edgefs.backbones import Backbone, load_backbone
from edgefs.embedding.cache import EmbeddingCache
from edgefs.embedding.network import EmbeddingNetwork, EmbeddingPlan
from edgefs.embedding.rendered import Rendering
from edgefs.embedding.torch_embedder import TorchEmbedder, embed_missing

BATCH = 16
KEYS = [str(number) for number in range(2 * BATCH + 5)]


@pytest.fixture
def threads() -> Iterator[None]:
    """Three threads, as on a machine of three processors."""
    before = torch.get_num_threads()
    torch.set_num_threads(3)
    yield
    torch.set_num_threads(before)


@pytest.mark.usefixtures("threads")
@pytest.mark.parametrize("backbone", [tiny_backbone(), load_backbone("nano")], ids=lambda backbone: backbone.name)
def test_batches_side_by_side_give_the_same_numbers(backbone: Backbone) -> None:
    plan = EmbeddingPlan.all_stages(backbone)
    embedder = TorchEmbedder(EmbeddingNetwork(backbone, plan), torch.device("cpu"))
    pictures = {key: draw("dots", int(key), backbone.size) for key in KEYS}
    told: list[tuple[int, int]] = []

    found = embed_missing(KEYS, pictures.__getitem__, embedder, EmbeddingCache(None), lambda *done: told.append(done))

    torch.set_num_threads(1)
    for start in range(0, len(KEYS), BATCH):
        chunk = KEYS[start : start + BATCH]
        expected = embedder.embed(np.stack([pictures[key] for key in chunk]))
        np.testing.assert_array_equal(np.stack([found[key] for key in chunk]), expected)
    assert embedder.workers == 3
    assert told == [(0, 37), (16, 37), (32, 37), (37, 37)]


@pytest.mark.usefixtures("threads")
def test_an_error_in_one_batch_ends_all_and_leaves_torch_its_threads() -> None:
    backbone = tiny_backbone()
    embedder = TorchEmbedder(EmbeddingNetwork(backbone, EmbeddingPlan.all_stages(backbone)), torch.device("cpu"))

    def pixels(key: str) -> np.ndarray:
        if key == "20":
            raise OSError("no such image")
        return draw("dots", int(key), backbone.size)

    with pytest.raises(OSError, match="no such image"):
        embed_missing(KEYS, pixels, embedder, EmbeddingCache(None), lambda *_: None)
    assert torch.get_num_threads() == 3


@pytest.mark.usefixtures("threads")
def test_pictures_rendered_ahead_are_those_rendered_when_they_are_asked_for() -> None:
    keys, size = ("rendered:1023", "rendered:0", "rendered:1022"), (24, 32)
    with Rendering() as rendering, Rendering() as later:
        rendering.begin(size, EmbeddingCache(None), 8)
        for key in keys:
            np.testing.assert_array_equal(rendering.picture(key, size), later.picture(key, size))
