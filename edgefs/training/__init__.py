"""One training loop for every method that trains.

    history = train(objective, TrainingSettings(epochs=30), fabric=make_fabric("auto"))

- An `Objective` supplies what a method is about: a module, batches, a loss, and what to validate by.
- The loop supplies the rest: optimiser and schedule, mixed precision, several GPUs, early stopping, and a checkpoint
  after every epoch, from which a training that was killed goes on as if nothing had happened.
"""

from __future__ import annotations

from edgefs.settings.training import TrainingSettings
from edgefs.training.checkpoint import Checkpoints
from edgefs.training.devices import is_lead, make_fabric
from edgefs.training.loop import Epoch, History, Objective, train

__all__ = ["Checkpoints", "Epoch", "History", "Objective", "TrainingSettings", "is_lead", "make_fabric", "train"]
