"""What the training loop can be told."""

from __future__ import annotations

from dataclasses import dataclass

from edgefs.settings.choices import Optimizer, Precision, Schedule


@dataclass(frozen=True)
class TrainingSettings:
    """How a training goes; a method has defaults of its own.

    Attributes:
        epochs: at most.
        lr: learning rate of parameter groups that do not state one.
        optimizer: `adam`, `adamw` or `sgd` (momentum 0.9, Nesterov).
        weight_decay: towards zero, decoupled with `adamw`.
        schedule: `cosine` brings every rate from its value to nothing over all steps; `constant` leaves it.
        patience: epochs without a better validation after which training ends; 0 goes through all of them.
        clip: largest norm of all gradients together; 0 leaves them as they are.
        precision: `auto` is bf16 where a GPU computes, fp32 on a CPU.
        seed: with the epoch's number it determines order, augmentation and dropout.
    """

    epochs: int = 30
    lr: float = 1e-3
    optimizer: Optimizer = "adamw"
    weight_decay: float = 0.0
    schedule: Schedule = "cosine"
    patience: int = 0
    clip: float = 0.0
    precision: Precision = "auto"
    seed: int = 0
