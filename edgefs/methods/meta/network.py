"""The network that is meta-trained: a backbone with values of its own, its plan, and what of it learns."""

from __future__ import annotations

import copy
import dataclasses

import torch

from edgefs.backbones import Backbone
from edgefs.backbones.conv4 import CONV4_CHANNELS, CONV4_TAP, Conv4, conv4_from_seed
from edgefs.backbones.stages import stage_of
from edgefs.embedding.cache import EmbeddingCache
from edgefs.embedding.network import EmbeddingNetwork, EmbeddingPlan
from edgefs.embedding.projection import Projection
from edgefs.embedding.rendered import embed_rendered
from edgefs.embedding.torch_embedder import TorchEmbedder
from edgefs.methods.meta import MetaSettings
from edgefs.methods.task import Task
from edgefs_runtime.base.errors import TrainingError


def own_backbone(task: Task) -> Backbone:
    """The backbone with values of its own, since they will change; random ones are drawn by the seed."""
    backbone = task.backbone
    if isinstance(backbone.network, Conv4) and not backbone.trained:
        return dataclasses.replace(backbone, network=conv4_from_seed(task.seed))
    return dataclasses.replace(backbone, network=copy.deepcopy(backbone.network))


def embedding_network(task: Task, backbone: Backbone) -> EmbeddingNetwork:
    """The embedding network; of a pretrained one only the last stages will learn."""
    if isinstance(backbone.network, Conv4):
        plan = EmbeddingPlan(task.preprocess.size, (CONV4_TAP,), (CONV4_CHANNELS,), ("avg",))
    else:
        plan = EmbeddingPlan.all_stages(backbone, task.preprocess.size)
    network = EmbeddingNetwork(backbone, plan)
    if backbone.trained:
        _freeze(backbone, network, task.settings.of(MetaSettings).unfreeze)
    return network.to(memory_format=torch.channels_last)


def projected(task: Task, backbone: Backbone, network: EmbeddingNetwork) -> EmbeddingNetwork:
    """Project an embedding to no more numbers than were asked for, as in feature extraction."""
    if not task.dim or network.plan.width <= task.dim:
        return network
    embedder = TorchEmbedder(network, task.device)
    step = task.steps("embed rendered pictures")
    size, nothing = task.preprocess.size, EmbeddingCache(None)
    task.rendering.begin(size, nothing, embedder.dim)
    projection = Projection.fit(embed_rendered(embedder, size, task.rendering, nothing, step), task.dim)
    plan = dataclasses.replace(network.plan, projected=len(projection.shift))
    return EmbeddingNetwork(backbone, plan, projection)


def _freeze(backbone: Backbone, network: EmbeddingNetwork, unfreeze: int) -> None:
    """Freeze everything that the stages before the last `unfreeze` are computed from."""
    if not unfreeze:
        raise TrainingError("--unfreeze 0 leaves nothing to learn from the tasks; pass 1 or more, or another method")
    taps = network.plan.taps
    for name, value in network.stages.named_parameters():
        value.requires_grad_(stage_of(backbone.network, taps, name) >= len(taps) - unfreeze)
