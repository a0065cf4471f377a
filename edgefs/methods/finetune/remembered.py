"""The images that are learned from, as fine-tuning needs them: remembered once, embedded again by every network."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from edgefs.data import Sample
from edgefs.embedding.enrolments import Embedded
from edgefs.embedding.network import EmbeddingNetwork, EmbeddingPlan
from edgefs.embedding.projection import Projection
from edgefs.methods.finetune.bank import VARIANTS, remember
from edgefs.methods.finetune.cutting import Bank, CutNetwork
from edgefs.methods.task import Task


@dataclass(frozen=True)
class RememberedImages:
    """Images with what the frozen part says of them.

    Attributes:
        samples: n images, those that teach first.
        taught: how many of them teach; the others validate.
        labels: C classes, sorted.
        classes: int64 `[n]`.
        bank: W views of each.
        views: W.
        symmetries: that an image which teaches is seen in, beside itself; V - 1 of the views.
        frozen: taps that do not learn.
    """

    samples: tuple[Sample, ...]
    taught: int
    labels: tuple[str, ...]
    classes: NDArray[np.int64]
    bank: Bank
    views: int
    symmetries: tuple[str, ...]
    frozen: int

    @classmethod
    def of(
        cls, task: Task, plan: EmbeddingPlan, symmetries: tuple[str, ...], frozen: int, *, augment: bool
    ) -> RememberedImages:
        """Look at all images once."""
        samples = (*task.split.train, *task.split.validation)
        labels = tuple(sorted(task.dispositions))
        bank, views = remember(
            samples,
            CutNetwork(task.backbone.network.to(task.device), plan, frozen),
            EmbeddingNetwork(task.backbone, plan).to(task.device),
            task.preprocess,
            symmetries,
            VARIANTS if augment else 1,
            task.device,
            task.seed,
            task.steps("look at images"),
        )
        classes = np.array([labels.index(sample.label) for sample in samples], np.int64)
        return cls(samples, len(task.split.train), labels, classes, bank, views, symmetries, frozen)

    @torch.no_grad()
    def embed(
        self, cut: CutNetwork, plan: EmbeddingPlan, projection: Projection | None, positions: Sequence[int]
    ) -> NDArray[np.float32]:
        """float32 `[n,V·D]` of some of the images by the network as it is now, as a plan of its taps has it."""
        cut.eval()
        device = next((value.device for value in cut.parameters()), torch.device("cpu"))
        shown = 1 + len(self.symmetries)
        rows = torch.tensor([position * self.views + view for position in positions for view in range(shown)])
        blocks = [cut(*(value.to(device) for value in self.bank.rows(chunk))).cpu() for chunk in torch.split(rows, 256)]
        joined = np.concatenate([block.numpy() for block in blocks])
        vectors = _as_planned(joined, cut.plan, plan, projection)
        return np.asarray(vectors.reshape(len(positions), -1), np.float32)

    def embedded(
        self, cut: CutNetwork, plan: EmbeddingPlan, projection: Projection | None, positions: Sequence[int]
    ) -> Embedded:
        """Embed as `embed` does, and give the rows by content digest."""
        vectors = self.embed(cut, plan, projection, positions)
        taught = {self.samples[position].digest: row for position, row in zip(positions, vectors, strict=True)}
        return Embedded.of_views(taught, 1 + len(self.symmetries))


def _as_planned(
    joined: NDArray[np.float32], full: EmbeddingPlan, plan: EmbeddingPlan, projection: Projection | None
) -> NDArray[np.float32]:
    """Blocks of a plan as `EmbeddingNetwork` gives them `[n,D]`, out of all blocks as they are pooled `[n,F]`."""
    blocks = [joined[:, span] for tap, pooling, span in full.blocks if tap in plan.taps and pooling in plan.poolings]
    if plan.unit:
        blocks = [block / np.maximum(np.linalg.norm(block, axis=1, keepdims=True), 1e-12) for block in blocks]
    rows = np.concatenate(blocks, axis=1)
    return rows if projection is None else projection(rows)
