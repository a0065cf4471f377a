"""The student with what translates it into the teacher's words, and how far it is from them.

Maps are compared place by place (FitNets, Romero et al. 2015, arXiv:1412.6550), embeddings number by number, and what
the two embeddings find similar in a batch as a whole: centred kernel alignment (Kornblith et al. 2019,
arXiv:1905.00414), which is what a gallery's head lives on and needs no translation.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

from edgefs.distilling.teacher import Teacher
from edgefs.distilling.views import resized
from edgefs.embedding.network import EmbeddingNetwork

_OUTLIERS = 6.0  # deviations at which a target is cut
WEIGHTS = {"maps": 2.0, "embedding": 2.0, "relation": 1.0}


@dataclass(frozen=True)
class Described:
    """Views and what the teacher says of them.

    Attributes:
        views: uint8 `[N,3,s,s]` as the student sees them.
        maps: float16 `[N,C,S,S]` of each level.
        embedding: float16 `[N,F]`.
    """

    views: Tensor
    maps: tuple[Tensor, ...]
    embedding: Tensor

    @classmethod
    def joined(cls, parts: Sequence[Described]) -> Described:
        """Join several, one after another."""
        maps = tuple(torch.cat(level) for level in zip(*(part.maps for part in parts), strict=True))
        return cls(torch.cat([part.views for part in parts]), maps, torch.cat([part.embedding for part in parts]))

    def __getitem__(self, index: Tensor) -> tuple[Tensor, ...]:
        """A batch: views, embedding, maps."""
        return self.views[index], self.embedding[index], *(maps[index] for maps in self.maps)


class Pupil(nn.Module):
    """The student's network with a linear translation of each level and of its embedding.

    Args:
        network: of all the student's stages, not projected.
        teacher: whose numbers are predicted.
    """

    def __init__(self, network: EmbeddingNetwork, teacher: Teacher) -> None:
        super().__init__()
        self.network, self.levels = network, teacher.levels
        targets = [teacher.channels(level) for level in self.levels]
        self.heads = nn.ModuleList(
            nn.Conv2d(level.channels, target, 1) for level, target in zip(self.levels, targets, strict=True)
        )
        self.embedding_head = nn.Linear(network.plan.width, teacher.width)
        for number, width in enumerate((*targets, teacher.width)):
            self.register_buffer(f"mean_{number}", torch.zeros(width))
            self.register_buffer(f"deviation_{number}", torch.ones(width))

    def measure_scale(self, described: Described) -> None:
        """Measure what standardises the teacher's numbers: their mean and deviation over some views."""
        for number, field in enumerate((*described.maps, described.embedding)):
            rows = field.float().movedim(1, -1).flatten(0, -2)  # [all places,C]
            self.get_buffer(f"mean_{number}").copy_(rows.mean(0))
            self.get_buffer(f"deviation_{number}").copy_(rows.std(0).clamp_min(1e-6))

    def forward(self, views: Tensor) -> tuple[list[Tensor], Tensor, Tensor]:
        """Views uint8 `[N,3,s,s]` to predicted maps, predicted embedding, and the student's own embedding."""
        maps = self.network.stages(self.network.normalised(views.permute(0, 2, 3, 1)))
        own = self.network.joined(maps)
        predicted = [
            head(resized(maps[level.tap].float(), level.side))
            for head, level in zip(self.heads, self.levels, strict=True)
        ]
        return predicted, self.embedding_head(own), own

    def distances(self, said: tuple[list[Tensor], Tensor, Tensor], batch: tuple[Tensor, ...]) -> dict[str, Tensor]:
        """Share of the teacher's variance that is missed, of each level's maps, the embedding and the relations.

        Args:
            said: what `forward` gave of the batch's views.
            batch: views, embedding `[N,F]`, maps `[N,C,S,S]`.
        """
        predicted, embedding, own = said
        _, taught, *targets = batch
        wanted = self._standardised(taught, len(self.levels))
        found = {
            level.tap: F.mse_loss(maps.float(), self._standardised(target, number))
            for number, (level, maps, target) in enumerate(zip(self.levels, predicted, targets, strict=True))
        }
        found["embedding"] = F.mse_loss(embedding.float(), wanted)
        found["relation"] = 1 - alignment(own.float(), wanted)
        return found

    def loss(self, distances: dict[str, Tensor]) -> Tensor:
        """The weighted sum."""
        maps = torch.stack([distances[level.tap] for level in self.levels]).mean()
        return (
            WEIGHTS["maps"] * maps
            + WEIGHTS["embedding"] * distances["embedding"]
            + WEIGHTS["relation"] * distances["relation"]
        )

    def _standardised(self, field: Tensor, number: int) -> Tensor:
        shape = (1, -1, *[1] * (field.ndim - 2))
        mean, deviation = (self.get_buffer(f"{name}_{number}").view(shape) for name in ("mean", "deviation"))
        return ((field.float() - mean) / deviation).clamp(-_OUTLIERS, _OUTLIERS)


def alignment(student: Tensor, teacher: Tensor) -> Tensor:
    """Linear centred kernel alignment of two embeddings `[N,·]` of the same views: 1 where they find the same alike."""
    a, b = student - student.mean(0), teacher - teacher.mean(0)
    similar_a, similar_b = a @ a.T, b @ b.T
    product: Tensor = (similar_a * similar_b).sum() / (similar_a.norm() * similar_b.norm() + 1e-9)
    return product
