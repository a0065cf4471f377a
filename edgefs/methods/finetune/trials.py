"""What `auto` tries of fine-tuning: as it is asked for, cross-fitted on the folds of all that is tried."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Iterator

import numpy as np

from edgefs.embedding.network import EmbeddingNetwork, EmbeddingPlan
from edgefs.embedding.torch_embedder import TorchEmbedder
from edgefs.methods.cross_validation import FOLDS
from edgefs.methods.finetune import FinetuneSettings
from edgefs.methods.finetune.bank import VARIANTS
from edgefs.methods.finetune.method import adapt_finetune
from edgefs.methods.task import Adapted, Task


def try_finetuning(task: Task) -> Iterator[tuple[str, Adapted]]:
    """One trial."""
    own = dataclasses.replace(task.settings.of(FinetuneSettings), folds=FOLDS)
    settings = dataclasses.replace(task.settings, method="finetune", head=None, own=(own,))
    yield "finetune", adapt_finetune(dataclasses.replace(task, settings=settings))


def seconds_of_finetuning(task: Task, views: int) -> float:
    """A guess: most of it is the frozen part looking at every view of every image."""
    plan = EmbeddingPlan.all_stages(task.backbone, task.preprocess.size)
    embedder = TorchEmbedder(EmbeddingNetwork(task.backbone, plan), task.device)
    picture = np.zeros((4, *task.preprocess.size, 3), np.uint8)
    embedder.embed(picture)
    began = time.monotonic()
    embedder.embed(picture)
    of_one = (time.monotonic() - began) / len(picture)
    return 2 * of_one * len(task.split.train) * views * VARIANTS
