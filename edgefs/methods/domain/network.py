"""What is trained: features, a classifier of the task, a classifier of the domain, and their running average.

The two domains go through the network one after the other, so that batch normalisation takes each by its own
statistics (French et al. 2018, arXiv:1706.05208; Li et al. 2016, arXiv:1603.04779).
"""

from __future__ import annotations

import copy
from typing import NamedTuple

import torch
from torch import Tensor, nn

from edgefs.embedding.network import POOLINGS, EmbeddingNetwork
from edgefs.methods.domain.classifier import DomainClassifier


class Outputs(NamedTuple):
    """Embeddings `[N,D]`, class logits `[N,C]` and domain logits `[N]` (or None) of a batch of one domain."""

    embeddings: Tensor
    logits: Tensor
    domain: Tensor | None


class Classified(nn.Module):
    """The embedding network, not yet brought to unit length, and a linear classifier on it."""

    def __init__(self, network: EmbeddingNetwork, classes: int) -> None:
        super().__init__()
        self.network = network
        self.classifier = nn.Linear(network.plan.width, classes)

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Images `[N,H,W,3]`, 0 to 255, to embeddings `[N,D]` and logits `[N,C]`."""
        network = self.network
        maps = network.stages(network.normalised(images).contiguous(memory_format=torch.channels_last))
        embeddings = torch.cat(
            [POOLINGS[pooling](maps[tap]) for tap in network.plan.taps for pooling in network.plan.poolings], 1
        )
        return embeddings, self.classifier(embeddings)


class DomainNetwork(nn.Module):
    """The student, which learns by gradient; the teacher, which is its running average; the domain classifier."""

    def __init__(self, student: Classified, *, adversarial: bool) -> None:
        super().__init__()
        self.student = student
        self.teacher = copy.deepcopy(student).requires_grad_(False)
        self.domain = DomainClassifier(student.network.plan.width) if adversarial else None

    def forward(self, batches: tuple[Tensor, ...], strength: float) -> tuple[Outputs, ...]:
        """What the student says of one batch of each domain."""
        return tuple(self._outputs(images, strength) for images in batches)

    def _outputs(self, images: Tensor, strength: float) -> Outputs:
        embeddings, logits = self.student(images)
        return Outputs(embeddings, logits, self.domain(embeddings, strength) if self.domain is not None else None)

    @torch.no_grad()
    def follow(self, kept: float) -> None:
        """Move the teacher's weights towards the student's: `kept` of them stays."""
        for slow, fast in zip(self.teacher.parameters(), self.student.parameters(), strict=True):
            slow.lerp_(fast, 1 - kept)
