"""What the training loop is given: a network with a criterion, episodes for it, and what validates it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

from edgefs.embedding.network import EmbeddingNetwork
from edgefs.methods.meta.augment import warp
from edgefs.methods.meta.episodes import EpisodeSampler
from edgefs.methods.meta.tasks import TaskClass

_BATCH = 128  # images, in validation
_TRIALS = 200  # episodes that validate


class EpisodicNetwork(nn.Module):
    """Episodes to their loss: embeds all images at once, then asks the criterion.

    Args:
        network: the embedding network.
        criterion: maps unit rows `[T,N,K,D]` to a scalar.
        train_norms: whether batch norm takes its statistics from the episodes; a pretrained network keeps its own.
    """

    def __init__(self, network: EmbeddingNetwork, criterion: nn.Module, *, train_norms: bool) -> None:
        super().__init__()
        self.network, self.criterion = network, criterion
        self._train_norms = train_norms

    def train(self, mode: bool = True) -> EpisodicNetwork:
        """Set the mode as any module does, but batch norm that keeps its statistics stays in evaluation mode."""
        super().train(mode)
        if not self._train_norms:
            for module in self.network.modules():
                if isinstance(module, nn.modules.batchnorm._BatchNorm):
                    module.eval()
        return self

    def forward(self, images: Tensor) -> Tensor:
        """Loss of uint8 `[T,N,K,H,W,3]`."""
        rows = F.normalize(self.network(images.flatten(0, 2)).float(), dim=1)
        loss: Tensor = self.criterion(rows.view(*images.shape[:3], -1))
        return loss


@dataclass
class MetaObjective:
    """Meta-training (see `edgefs.training.Objective`).

    Attributes:
        module: what learns.
        episodes: what it learns from.
        held_out: classes that validate.
        steps: batches of an epoch.
        batch: episodes of a batch.
        augment: whether images are changed a little each time.
        device: where validation runs.
    """

    module: EpisodicNetwork
    episodes: EpisodeSampler
    held_out: Sequence[TaskClass]
    steps: int
    batch: int
    augment: bool
    device: torch.device

    def groups(self) -> list[dict[str, Any]]:
        """Weights decay; batch norm's slopes, the temperature and rates don't."""
        learned = [parameter for parameter in self.module.parameters() if parameter.requires_grad]
        return [
            {"params": [parameter for parameter in learned if parameter.ndim > 1]},
            {"params": [parameter for parameter in learned if parameter.ndim <= 1], "weight_decay": 0.0},
        ]

    def batches(self, epoch: int) -> Iterator[Tensor]:
        """Batches `[T,N,K,H,W,3]`, uint8."""
        for step in range(self.steps):
            first = (epoch * self.steps + step) * self.batch
            images = torch.stack([self.episodes.draw(first + number) for number in range(self.batch)])
            if self.augment:
                generator = torch.Generator().manual_seed(self.episodes.seed * 1_000_003 + first)
                images = warp(images.flatten(0, 2), generator).reshape(images.shape)
            yield images

    def loss(self, forward: Callable[..., Any], batch: Tensor, done: float) -> Tensor:
        """The mean over the batch's episodes."""
        loss: Tensor = forward(batch)
        return loss

    def validate(self) -> float | None:
        """Accuracy of one-shot episodes of classes held out, by cosine, as the device's `prototype` head decides."""
        return one_shot_accuracy(self.module.network, self.held_out, self.episodes.ways, self.device)


@torch.inference_mode()
def one_shot_accuracy(
    network: EmbeddingNetwork, classes: Sequence[TaskClass], ways: int, device: torch.device
) -> float:
    """Share of images, 0 to 1, nearest to the one image of their own class; the same episodes every time."""
    least = min(len(one.pixels) for one in classes)
    pixels = torch.cat([torch.from_numpy(one.pixels[:least]) for one in classes])
    found = [F.normalize(network(chunk.to(device)).float(), dim=1).cpu() for chunk in torch.split(pixels, _BATCH)]
    rows = torch.cat(found).view(len(classes), least, -1)  # [C,n,D]
    generator, ways = torch.Generator().manual_seed(0), min(ways, len(classes))
    right = []
    for _ in range(_TRIALS):
        chosen = torch.randperm(len(classes), generator=generator)[:ways]
        order = torch.rand(ways, least, generator=generator).argsort(1)
        drawn = rows[chosen[:, None], order]  # [N,n,D]
        nearest = (drawn[:, 1:] @ drawn[:, 0].T).argmax(-1)  # [N,n-1]
        right.append((nearest == torch.arange(ways)[:, None]).float().mean())
    return float(torch.stack(right).mean())
