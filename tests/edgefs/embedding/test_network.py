"""The embedding network: its blocks, and that narrowing keeps their numbers."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from textures import draw
from tiny import tiny_backbone

from edgefs.backbones import load_backbone
from edgefs.embedding.network import EmbeddingNetwork, EmbeddingPlan
from edgefs_runtime.base.errors import WeightsError


def images() -> torch.Tensor:
    return torch.from_numpy(np.stack([draw(kind, 0, 32) for kind in ("good", "dots", "stripes")]))


def test_the_embedding_is_the_pooled_stages_each_of_unit_length() -> None:
    backbone = tiny_backbone()
    plan = EmbeddingPlan.all_stages(backbone)
    found = EmbeddingNetwork(backbone, plan)(images())
    normalised = (images().permute(0, 3, 1, 2) / 255 - torch.tensor(backbone.mean).view(3, 1, 1)) / torch.tensor(
        backbone.std
    ).view(3, 1, 1)
    maps, blocks = normalised, []
    for layer in backbone.network:
        maps = layer(maps)
        blocks += [torch.nn.functional.normalize(pooled) for pooled in (maps.mean((2, 3)), maps.amax((2, 3)))]
    torch.testing.assert_close(found, torch.cat(blocks, 1), rtol=1e-4, atol=1e-5)
    assert plan.dim == found.shape[1] == 2 * (8 + 16 + 24)


@pytest.mark.parametrize(("keep", "poolings"), [((0, 3), ("avg",)), ((1, 3), ("avg", "max")), ((2, 3), ("max",))])
def test_a_narrowed_plan_gives_the_same_numbers(keep: tuple[int, int], poolings: tuple[str, ...]) -> None:
    backbone = tiny_backbone()
    full = EmbeddingPlan.all_stages(backbone)
    narrow = full.narrowed(full.taps[keep[0] : keep[1]], poolings)
    everything = EmbeddingNetwork(backbone, full)(images())
    kept = [span for tap, pooling, span in full.blocks if tap in narrow.taps and pooling in poolings]
    expected = torch.cat([everything[:, span] for span in kept], 1)
    assert torch.equal(EmbeddingNetwork(backbone, narrow)(images()), expected)
    assert EmbeddingPlan.from_json(narrow.to_json()) == narrow


def test_a_size_that_the_network_cannot_take_is_refused() -> None:
    with pytest.raises(WeightsError, match="can't be run at 16 x 16"):
        EmbeddingPlan.all_stages(load_backbone("vgg11", "random"), (16, 16))
