"""The loop itself: epochs of batches, validation, the best of them kept, a checkpoint after each.

What an epoch does depends on the seed, its number and the state before it alone, so a training that is taken up from a
checkpoint ends where one that was never stopped ends.
"""

from __future__ import annotations

import itertools
import math
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, cast

import torch
from torch import Tensor, nn

from edgefs.progress import Progress, silent
from edgefs.settings.training import TrainingSettings
from edgefs.training.checkpoint import load_checkpoint, save
from edgefs_runtime.base.errors import TrainingError

if TYPE_CHECKING:
    from lightning_fabric import Fabric

_OPTIMIZERS: dict[str, Callable[..., torch.optim.Optimizer]] = {
    "adam": torch.optim.Adam,
    "adamw": torch.optim.AdamW,
    "sgd": lambda groups, **options: torch.optim.SGD(groups, momentum=0.9, nesterov=True, **options),
}


class Objective(Protocol):
    """What a method trains, and by what."""

    @property
    def module(self) -> nn.Module:
        """All that learns, with its buffers; its state is what a checkpoint holds, its mode follows `train`."""
        ...

    @property
    def steps(self) -> int:
        """Batches of an epoch."""
        ...

    def groups(self) -> list[dict[str, Any]]:
        """Parameters for the optimiser, each group with a rate of its own where it needs one."""
        ...

    def batches(self, epoch: int) -> Iterable[Any]:
        """The epoch's batches, tensors or tuples of them; they depend on the seed and the epoch's number alone."""
        ...

    def loss(self, forward: Callable[..., Any], batch: Any, done: float) -> Tensor:
        """A scalar.

        Args:
            forward: the module, or what stands for it where several processes train together.
            batch: on the device.
            done: share of the training that lies behind, 0 to 1.
        """
        ...

    def validate(self) -> float | None:
        """How good the module is now, larger is better; None where nothing can be validated on."""
        ...


@dataclass(frozen=True)
class Epoch:
    """One epoch: its number (0 is before the first), mean loss and validation."""

    number: int
    loss: float | None
    validation: float | None


@dataclass(frozen=True)
class History:
    """How a training went.

    Attributes:
        epochs: all that were gone through, the state before the first included.
        best: number of the epoch whose values the module has now.
        seconds: of this process; less where the training was taken up.
    """

    epochs: tuple[Epoch, ...]
    best: int
    seconds: float

    @property
    def validation(self) -> float | None:
        """Validation of the best epoch; None where nothing was validated."""
        return next((epoch.validation for epoch in self.epochs if epoch.number == self.best), None)


def train(
    objective: Objective,
    settings: TrainingSettings,
    *,
    fabric: Fabric,
    place: Path | None = None,
    progress: Progress | None = None,
) -> History:
    """Train, and leave the module with the values of its best epoch (the last, where nothing validates).

    Args:
        objective: what is trained.
        settings: for how long and how fast.
        fabric: where; see `make_fabric`.
        place: file of the checkpoint; a checkpoint that lies there is taken up.
        progress: called after each epoch with its loss and validation.

    Raises:
        TrainingError: the loss is no number any more.
    """
    return _Training(objective, settings, fabric, place, progress or silent("train")).run()


class _Training:
    def __init__(
        self, objective: Objective, settings: TrainingSettings, fabric: Fabric, place: Path | None, progress: Progress
    ) -> None:
        self._objective, self._settings, self._fabric = objective, settings, fabric
        self._place, self._progress = place, progress
        options = {"lr": settings.lr, "weight_decay": settings.weight_decay}
        optimizer = _OPTIMIZERS[settings.optimizer](objective.groups(), **options)
        self._rates = [float(group["lr"]) for group in optimizer.param_groups]
        self._forward, self._optimizer = fabric.setup(objective.module, optimizer)
        self._epochs: list[Epoch] = []
        self._best: tuple[int, dict[str, Tensor]] | None = None

    def run(self) -> History:
        began = time.monotonic()
        if not self._take_up():
            self._after(Epoch(0, None, self._validate()))
        while not self._is_over():
            number = self._epochs[-1].number + 1
            loss = self._epoch(number)
            self._after(Epoch(number, loss, self._validate()))
            self._write()
        best = self._epochs[-1].number
        if self._best is not None:
            best, values = self._best
            self._objective.module.load_state_dict(values)
        self._objective.module.eval()
        return History(tuple(self._epochs), best, time.monotonic() - began)

    def _epoch(self, number: int) -> float:
        fabric, objective, steps = self._fabric, self._objective, self._steps()
        torch.manual_seed(self._settings.seed * 1_000_003 + number)
        objective.module.train()
        losses = torch.zeros((), device=fabric.device)
        own = itertools.islice(objective.batches(number), fabric.global_rank, None, fabric.world_size)
        for step, batch in enumerate(itertools.islice(own, steps)):
            done = ((number - 1) * steps + step) / (self._settings.epochs * steps)
            self._set_rates(done)
            with fabric.autocast():
                loss = objective.loss(self._forward, fabric.to_device(batch), done)
            self._optimizer.zero_grad()
            fabric.backward(loss)
            if self._settings.clip:
                fabric.clip_gradients(self._forward, self._optimizer, max_norm=self._settings.clip)
            self._optimizer.step()
            losses += loss.detach()
        total = fabric.all_reduce(losses, reduce_op="mean")
        mean = float(cast(Tensor, total)) / steps
        if not math.isfinite(mean):
            raise TrainingError(
                f"the loss is no number any more in epoch {number}: train with a smaller --lr, or look for images "
                "that are not what their folder says"
            )
        return mean

    def _steps(self) -> int:
        """Batches of an epoch that fall to this process: the same number for all."""
        steps = self._objective.steps // self._fabric.world_size
        if not steps:
            raise TrainingError(
                f"{self._objective.steps} batches of an epoch for {self._fabric.world_size} devices; use fewer devices"
            )
        return steps

    def _set_rates(self, done: float) -> None:
        factor = 0.5 * (1 + math.cos(math.pi * done)) if self._settings.schedule == "cosine" else 1.0
        for group, rate in zip(self._optimizer.param_groups, self._rates, strict=True):
            group["lr"] = rate * factor

    def _validate(self) -> float | None:
        self._objective.module.eval()
        with torch.no_grad():
            return self._objective.validate()

    def _after(self, epoch: Epoch) -> None:
        self._epochs.append(epoch)
        known = [earlier.validation for earlier in self._epochs[:-1] if earlier.validation is not None]
        if epoch.validation is not None and epoch.validation > max(known, default=-math.inf):
            values = self._objective.module.state_dict()
            self._best = epoch.number, {name: value.detach().cpu().clone() for name, value in values.items()}
        self._progress(epoch.number, self._settings.epochs, _describe(epoch))

    def _is_over(self) -> bool:
        number = self._epochs[-1].number
        waited = number - self._best[0] if self._best is not None else 0
        patience = self._settings.patience
        return number >= self._settings.epochs or bool(patience and waited >= patience)

    def _write(self) -> None:
        if self._place is None or not self._fabric.is_global_zero:
            return
        save(
            self._place,
            {
                "module": self._objective.module.state_dict(),
                "optimizer": self._optimizer.state_dict(),
                "epochs": [vars(epoch) for epoch in self._epochs],
                "best": self._best,
            },
        )

    def _take_up(self) -> bool:
        state = load_checkpoint(self._place) if self._place is not None else None
        if state is None:
            return False
        self._objective.module.load_state_dict(state["module"])
        self._optimizer.load_state_dict(state["optimizer"])
        self._epochs = [Epoch(**fields) for fields in state["epochs"]]
        self._best = state["best"]
        self._progress(self._epochs[-1].number, self._settings.epochs, _describe(self._epochs[-1]))
        return True


def _describe(epoch: Epoch) -> str:
    told = [f"loss {epoch.loss:.3f}"] if epoch.loss is not None else []
    if epoch.validation is not None:
        told.append(f"validation {100 * epoch.validation:.1f} %")
    return "  ".join(told)
