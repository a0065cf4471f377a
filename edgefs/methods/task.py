"""What a method is given, and what it gives back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from edgefs.backbones import Backbone
from edgefs.data import Split
from edgefs.embedding import EmbeddingNetwork
from edgefs.progress import Steps
from edgefs.report import Candidate
from edgefs_runtime.deciding import DecisionSettings
from edgefs_runtime.decision import Disposition
from edgefs_runtime.preprocess import Preprocess


@dataclass(frozen=True)
class Task:
    """What is to be adapted to.

    Attributes:
        backbone: pretrained.
        preprocess: from file to network input.
        split: what may be learned from, and what may not.
        dispositions: of every class.
        decision: head and budget.
        device: where torch runs.
        seed: picks whatever is random.
        use_cache: whether embeddings may be remembered between runs.
        steps: told what is being done.
    """

    backbone: Backbone
    preprocess: Preprocess
    split: Split
    dispositions: Mapping[str, Disposition]
    decision: DecisionSettings
    device: torch.device
    seed: int
    use_cache: bool
    steps: Steps


@dataclass(frozen=True)
class Adapted:
    """What a method found.

    Attributes:
        network: the embedding network.
        vectors: embeddings `[D]` of every image of the split, by content digest.
        candidates: what was compared, for the report.
        notes: what was done, in sentences.
    """

    network: EmbeddingNetwork
    vectors: Mapping[str, NDArray[np.float32]]
    candidates: tuple[Candidate, ...]
    notes: tuple[str, ...]
