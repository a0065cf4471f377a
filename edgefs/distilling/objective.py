"""What the training loop is given: views, what the teacher says of them, and the pupil's distance from it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import torch
from torch import Tensor

from edgefs.distilling.pictures import Chunk, Pictures
from edgefs.distilling.pupil import Described, Pupil
from edgefs.distilling.settings import DistillSettings
from edgefs.distilling.teacher import Teacher
from edgefs.distilling.views import cut, resized
from edgefs.progress import Progress, Steps

_BATCH = 256  # views, where nothing is learned


class Distillation:
    """A distillation (see `edgefs.training.Objective`).

    Args:
        pupil: what learns.
        teacher: on its device.
        pictures: what both look at.
        settings: of the run.
        device: where the teacher is asked.
        part: of several processes that train together, this one's number and how many there are.
        steps: told how far an epoch's pictures are.
    """

    def __init__(
        self,
        pupil: Pupil,
        teacher: Teacher,
        pictures: Pictures,
        settings: DistillSettings,
        device: torch.device,
        part: tuple[int, int],
        steps: Steps,
    ) -> None:
        self.module = pupil
        self._teacher, self._pictures, self._settings = teacher, pictures, settings
        self._device, self._part, self._steps = device, part, steps
        self._held_out = self._described(pictures.held_out(), 0, steps("held-out pictures"))
        pupil.measure_scale(self._held_out)

    @property
    def steps(self) -> int:
        """Batches of an epoch, of all processes together."""
        settings, (_, parts) = self._settings, self._part
        views = self._pictures.count // parts * settings.views
        return max(views // settings.batch, 1) * settings.passes * parts

    def groups(self) -> list[dict[str, Any]]:
        """Weights decay; batch norm's slopes and the biases don't."""
        learned = list(self.module.parameters())
        return [
            {"params": [parameter for parameter in learned if parameter.ndim > 1]},
            {"params": [parameter for parameter in learned if parameter.ndim <= 1], "weight_decay": 0.0},
        ]

    def batches(self, epoch: int) -> Iterator[tuple[Tensor, ...]]:
        """Views, embedding and maps. Each process makes those of its own part, where the others have theirs."""
        settings, (number, parts) = self._settings, self._part
        progress = self._steps(f"pictures of epoch {epoch}")
        described = self._described(self._pictures.draw(epoch, self._part), epoch, progress)
        count = len(described.views)
        for turn in range(settings.passes):
            shuffle = torch.Generator().manual_seed(((settings.seed * 1_000_003 + epoch) * 1009 + turn) * 127 + number)
            order = torch.randperm(count, generator=shuffle)
            batches = torch.split(order, settings.batch)
            for index in batches[: max(count // settings.batch, 1)]:
                batch = described[index]
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
            batch = tuple(field.to(self._device) for field in self._held_out[index])
            for name, value in self.module.distances(self.module(batch[0]), batch).items():
                sums[name] = sums.get(name, 0.0) + float(value) * len(index) / len(order)
        return sums

    def _described(self, chunks: Iterable[Chunk], epoch: int, progress: Progress) -> Described:
        """Views of the pictures, with what the teacher says."""
        settings, (number, parts) = self._settings, self._part
        crop = torch.Generator().manual_seed((settings.seed * 7919 + epoch) * 127 + number)
        found, done = [], 0
        for chunk in chunks:
            for _ in range(settings.views):
                found.append(self._asked(cut(torch.from_numpy(chunk), self._teacher.size, crop)))
            done += len(chunk)
            progress(done, self._pictures.count // parts)
        return Described.joined(found)

    @torch.no_grad()
    def _asked(self, views: Tensor) -> Described:
        with torch.autocast(self._device.type, torch.bfloat16, enabled=self._device.type == "cuda"):
            maps, embedding = self._teacher(views.to(self._device))
        seen = resized(views.float(), self._settings.size).round().clamp(0, 255).to(torch.uint8)
        return Described(seen, tuple(level.half().cpu() for level in maps), embedding.half().cpu())
