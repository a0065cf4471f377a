"""Embeddings with all stages of a backbone, remembered between runs, and what of them a plan takes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from edgefs.backbones import Backbone
from edgefs.data import Sample
from edgefs.embedding.cache import EmbeddingCache, cache_path
from edgefs.embedding.enrolments import Vectors
from edgefs.embedding.network import EmbeddingNetwork, EmbeddingPlan
from edgefs.embedding.projection import Projection
from edgefs.embedding.rendered import embed_rendered
from edgefs.embedding.torch_embedder import TorchEmbedder, embed_samples
from edgefs.methods.task import Task
from edgefs_runtime.bundle.identity import canonical_json


class StageEmbeddings:
    """Embeddings with all stages, by torch, remembered between runs.

    Where a projection is wanted its pictures are rendered meanwhile.
    """

    def __init__(self, task: Task, plan: EmbeddingPlan) -> None:
        preprocess = canonical_json(task.preprocess.to_json())
        of_images = _path(task.backbone, plan, task.device, preprocess) if task.use_cache else None
        self._task = task
        self._embedder = TorchEmbedder(EmbeddingNetwork(task.backbone, plan), task.device)
        self._images = EmbeddingCache(of_images)
        self._pictures = pictures_cache(task.backbone, plan, task.device, use_cache=task.use_cache)

    def __enter__(self) -> StageEmbeddings:
        if self._task.dim:
            self._task.rendering.begin(self._task.preprocess.size, self._pictures, self._embedder.dim)
        return self

    def __exit__(self, *_: object) -> None:
        self._images.close()
        self._pictures.close()

    def embed(self, samples: Sequence[Sample], symmetries: Sequence[str], step: str) -> Vectors:
        """`[V·F]` of each image."""
        task = self._task
        return embed_samples(
            samples, self._embedder, task.preprocess, self._images, task.steps(step), symmetries=symmetries
        )

    def rendered(self) -> NDArray[np.float32]:
        """`[n,F]` of pictures that show nothing in particular."""
        task, step = self._task, self._task.steps("embed rendered pictures")
        return embed_rendered(self._embedder, task.preprocess.size, task.rendering, self._pictures, step)


def pictures_cache(backbone: Backbone, plan: EmbeddingPlan, device: torch.device, *, use_cache: bool) -> EmbeddingCache:
    """Embeddings of rendered pictures by a network, which depend on no preprocessing."""
    return EmbeddingCache(_path(backbone, plan, device) if use_cache else None)


def _path(backbone: Backbone, plan: EmbeddingPlan, device: torch.device, *preprocess: str) -> Path:
    space = (backbone.digest, canonical_json(plan.to_json()))
    return cache_path(*space, *preprocess, torch.__version__, device.type)


def shortened(
    vectors: Vectors, width: int, columns: NDArray[np.int64], projection: Projection | None
) -> dict[str, NDArray[np.float32]]:
    """Take the chosen columns of every view of `[V·F]`, projected: `[V·D]`."""
    if not vectors:
        return {}
    rows = np.stack(list(vectors.values()))
    views = rows.reshape(-1, width)[:, columns]
    found = views if projection is None else projection(views)
    return dict(zip(vectors, found.reshape(len(rows), -1), strict=True))
