"""Embeddings with all stages of a backbone, remembered between runs, and what of them a plan takes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from edgefs.data import Sample
from edgefs.embedding.cache import EmbeddingCache, cache_path
from edgefs.embedding.enrolments import Vectors
from edgefs.embedding.network import EmbeddingNetwork, EmbeddingPlan
from edgefs.embedding.projection import Projection
from edgefs.embedding.rendered import Rendering, embed_rendered, missing_pictures
from edgefs.embedding.torch_embedder import TorchEmbedder, embed_samples
from edgefs.methods.task import Task
from edgefs_runtime.bundle.identity import canonical_json


class StageEmbeddings:
    """Embeddings with all stages, by torch, remembered between runs.

    Where a projection is wanted its pictures are rendered meanwhile, but for those that are remembered.
    """

    def __init__(self, task: Task, plan: EmbeddingPlan) -> None:
        space = (task.backbone.digest, canonical_json(plan.to_json()))
        preprocess, software = canonical_json(task.preprocess.to_json()), (torch.__version__, task.device.type)
        of_images = cache_path(*space, preprocess, *software) if task.use_cache else None
        of_pictures = cache_path(*space, *software) if task.use_cache else None
        self._task = task
        self._embedder = TorchEmbedder(EmbeddingNetwork(task.backbone, plan), task.device)
        self._images, self._pictures = EmbeddingCache(of_images), EmbeddingCache(of_pictures)

    def __enter__(self) -> StageEmbeddings:
        wanted = missing_pictures(self._pictures, self._embedder.dim) if self._task.dim else ()
        self._rendering = Rendering(self._task.preprocess.size, wanted)
        return self

    def __exit__(self, *_: object) -> None:
        self._rendering.__exit__()
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
        step = self._task.steps("embed rendered pictures")
        return embed_rendered(self._embedder, self._rendering, self._pictures, step)


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
