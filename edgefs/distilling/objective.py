"""What the training loop is given: views, what the teacher says of them, and the pupil's distance from it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from edgefs.distilling.pictures import Pictures
from edgefs.distilling.pupil import Described, Pupil
from edgefs.distilling.teacher import Teacher
from edgefs.distilling.views import cut, resized
from edgefs.progress import Progress, Steps
from edgefs.settings.distill import DistillSettings

if TYPE_CHECKING:
    from lightning_fabric import Fabric

_BATCH = 256  # views, where nothing is learned
_HELD_OUT_VIEWS = 2  # of each picture


class Distillation:
    """A distillation (see `edgefs.training.Objective`).

    Args:
        pupil: what learns.
        teacher: on its device.
        pictures: what both look at.
        settings: of the run.
        fabric: where.
        steps: told how far an epoch's pictures are.
    """

    def __init__(
        self,
        pupil: Pupil,
        teacher: Teacher,
        pictures: Pictures,
        settings: DistillSettings,
        fabric: Fabric,
        steps: Steps,
    ) -> None:
        self.module = pupil
        self._teacher, self._pictures, self._settings, self._fabric = teacher, pictures, settings, fabric
        self._part = fabric.global_rank, fabric.world_size
        self._steps = steps
        self._held_out = self._described(steps("held-out pictures"))
        pupil.measure_scale(self._held_out)

    @property
    def steps(self) -> int:
        """Batches of an epoch, of all processes together."""
        parts = self._part[1]
        return max(self._pictures.count // parts // self._settings.batch, 1) * self._settings.views * parts

    def groups(self) -> list[dict[str, Any]]:
        """Weights decay; batch norm's slopes and the biases don't."""
        learned = list(self.module.parameters())
        return [
            {"params": [parameter for parameter in learned if parameter.ndim > 1]},
            {"params": [parameter for parameter in learned if parameter.ndim <= 1], "weight_decay": 0.0},
        ]

    def batches(self, epoch: int) -> Iterator[tuple[Tensor, ...]]:
        """Views, embedding and maps. Each process makes those of its own part, where the others have theirs.

        The pictures are seen in so many orders as there are views of each, so that no batch shows one twice.
        """
        settings, (number, parts) = self._settings, self._part
        pictures = self._loaded(epoch)
        seed = (settings.seed * 1_000_003 + epoch) * 127 + number
        shuffle = torch.Generator().manual_seed(seed)
        chance = torch.Generator(pictures.device).manual_seed(seed)
        for _ in range(settings.views):
            order = torch.randperm(len(pictures), generator=shuffle).to(pictures.device)
            for index in torch.split(order, settings.batch)[: max(len(order) // settings.batch, 1)]:
                batch = self._asked(pictures[index], chance)
                yield from [batch] * parts  # of so many equal ones the loop hands one to this process

    def loss(self, forward: Callable[..., Any], batch: tuple[Tensor, ...], done: float) -> Tensor:
        """Distance from the teacher."""
        return self.module.loss(self.module.distances(forward(batch[0]), batch))

    def validate(self) -> float:
        """Share of the variance of the teacher's embedding that the student explains, of views that are never drawn."""
        return 1 - self.held_out()["embedding"]

    @torch.no_grad()
    def held_out(self) -> dict[str, float]:
        """The distances on views that are never drawn."""
        self.module.eval()
        sums: dict[str, float] = {}
        order = torch.arange(len(self._held_out.views))
        for index in torch.split(order, _BATCH):
            batch = self._fabric.to_device(self._held_out[index])
            for name, value in self.module.distances(self.module(batch[0]), batch).items():
                sums[name] = sums.get(name, 0.0) + float(value) * len(index) / len(order)
        return sums

    def _loaded(self, epoch: int) -> Tensor:
        """The epoch's pictures of this process, uint8 `[n,S,S,3]` on the device."""
        parts = self._part[1]
        progress, count = self._steps(f"pictures of epoch {epoch}"), self._pictures.count // parts
        found: list[Tensor] = []
        for chunk in self._pictures.draw(epoch, self._part):
            found.append(self._fabric.to_device(torch.from_numpy(chunk)))
            progress(sum(map(len, found)), count)
        return torch.cat(found)

    def _described(self, progress: Progress) -> Described:
        """Views of pictures that are never drawn, with what the teacher says, on the CPU."""
        chance = torch.Generator(self._fabric.device).manual_seed(self._settings.seed)
        found: list[Described] = []
        for chunk in self._pictures.held_out():
            pictures = self._fabric.to_device(torch.from_numpy(chunk))
            for _ in range(_HELD_OUT_VIEWS):
                views, embedding, *maps = self._asked(pictures, chance)
                found.append(
                    Described(views.cpu(), tuple(level.half().cpu() for level in maps), embedding.half().cpu())
                )
            progress(sum(len(part.views) for part in found) // _HELD_OUT_VIEWS, self._pictures.kept)
        return Described.joined(found)

    @torch.no_grad()
    def _asked(self, pictures: Tensor, chance: torch.Generator) -> tuple[Tensor, ...]:
        """One view of each picture as the student sees it, the teacher's embedding, and its maps."""
        size = self._teacher.size
        views = cut(pictures, pictures.shape[1], chance).float()
        with self._fabric.autocast():
            maps, embedding = self._teacher(_pixels(resized(views, size)))
        return _pixels(resized(views, self._settings.size)), embedding, *maps


def _pixels(views: Tensor) -> Tensor:
    return views.round().clamp(0, 255).to(torch.uint8)
