"""The trainings of the domain method: source-only, joint, reverse, and the last one on the target's few labels."""

from __future__ import annotations

import copy
import dataclasses
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from edgefs.embedding.network import EmbeddingNetwork, EmbeddingPlan
from edgefs.methods.domain import DomainSettings
from edgefs.methods.domain.adabn import estimate_statistics
from edgefs.methods.domain.network import Classified, DomainNetwork
from edgefs.methods.domain.objective import Domains, JointObjective, LabelledObjective
from edgefs.methods.domain.pixels import in_batches
from edgefs.methods.task import Task
from edgefs.training import TrainingSettings, make_fabric, train

if TYPE_CHECKING:
    from lightning_fabric import Fabric

EPOCHS = 16  # of at most 100 steps
_RATE = 2e-3
_BATCH = 32  # images of each domain
_LAST_RATE = 0.1  # of the rate, when the target's few labels are learned at the end
_STATISTICS = 256  # images of a batch that statistics are estimated on
_MOST_STATISTICS = 4096  # images


@dataclass(frozen=True)
class Trainer:
    """What all four share."""

    task: Task
    plan: EmbeddingPlan
    classes: int
    settings: DomainSettings
    training: TrainingSettings
    batch: int
    fabric: Fabric

    @classmethod
    def of(cls, task: Task, classes: int) -> Trainer:
        """Trainer of what the task's settings ask for."""
        asked = task.settings
        full = EmbeddingPlan.all_stages(task.backbone, task.preprocess.size)
        settings = _completed(asked.of(DomainSettings), task)
        training = TrainingSettings(
            epochs=asked.epochs or EPOCHS,
            lr=asked.lr or _RATE,
            optimizer=asked.optimizer or "adam",
            schedule=asked.schedule or "cosine",
            weight_decay=1e-4,
            precision=asked.precision,
            seed=task.seed,
        )
        fabric = make_fabric(task.device, asked.devices, asked.precision)
        plan = full.narrowed(full.taps[-1:], full.poolings)
        return cls(task, plan, classes, settings, training, asked.batch or _BATCH, fabric)

    def source_only(self, images: Tensor, classes: Tensor) -> Classified:
        """Train in the same loop with λ = 0 and no image of the target."""
        return self._labelled("source only", self._fresh(), images, classes, self.training)

    def joint(self, domains: Domains) -> Classified:
        """Train on both domains; batch normalisation has the target's statistics afterwards."""
        module = DomainNetwork(self._fresh(), adversarial=self.settings.domain_loss == "dann")
        objective = JointObjective(module, domains, self.settings, self.training, self.batch)
        self._train("both domains", objective, self.training)
        return self.with_statistics(module.teacher, domains.target)

    def reverse(self, name: str, images: Tensor, answers: NDArray[np.int64], source: Tensor) -> Classified:
        """A fresh network that learns a model's answers on the target, with the source's statistics."""
        training = dataclasses.replace(self.training, epochs=max(1, self.training.epochs // 3))
        model = self._labelled(name, self._fresh(), images, torch.from_numpy(answers), training)
        return self.with_statistics(model, source)

    def on_target(self, model: Classified, domains: Domains) -> Classified:
        """Fine-tune on the target's labelled images at a tenth of the rate."""
        training = dataclasses.replace(
            self.training, epochs=max(1, self.training.epochs // 4), lr=self.training.lr * _LAST_RATE
        )
        tuned = self._labelled("target labels", model, domains.labelled, domains.labelled_classes, training)
        return self.with_statistics(tuned, domains.target)

    def with_statistics(self, model: Classified, pixels: Tensor) -> Classified:
        """The model with a domain's statistics of batch normalisation."""
        model = model.to(self.fabric.device)
        some = pixels[torch.linspace(0, len(pixels) - 1, min(len(pixels), _MOST_STATISTICS)).long()]
        whole = some if len(some) < _STATISTICS else some[: len(some) // _STATISTICS * _STATISTICS]
        estimate_statistics(model, (batch.to(self.fabric.device) for batch in in_batches(whole, _STATISTICS)))
        return model

    def _labelled(
        self, name: str, model: Classified, images: Tensor, classes: Tensor, training: TrainingSettings
    ) -> Classified:
        module = DomainNetwork(model.requires_grad_(True), adversarial=False)  # a teacher may be what is tuned
        self._train(name, LabelledObjective(module, images, classes, self.settings, training, self.batch), training)
        return self.with_statistics(module.teacher, images)

    def _train(self, name: str, objective: JointObjective | LabelledObjective, training: TrainingSettings) -> None:
        task = self.task
        place = task.checkpoints.place(name)
        train(objective, training, fabric=self.fabric, place=place, progress=task.steps(f"train: {name}"))

    def _fresh(self) -> Classified:
        """The backbone as it came (an untrained one with values of this seed), and a new classifier."""
        torch.manual_seed(self.training.seed)
        network = copy.deepcopy(self.task.backbone.network)
        if not self.task.backbone.trained:
            network.apply(_reset)
        backbone = dataclasses.replace(self.task.backbone, network=network)
        model = Classified(EmbeddingNetwork(backbone, self.plan), self.classes)
        return model.to(memory_format=torch.channels_last)


def _completed(settings: DomainSettings, task: Task) -> DomainSettings:
    """Settings with the defaults filled in that depend on the data and the backbone."""
    has_labels = task.domains is not None and task.domains.labelled
    return dataclasses.replace(
        settings,
        domain_loss=settings.domain_loss or "dann",
        invert=not task.backbone.trained if settings.invert is None else settings.invert,
        task_labels=settings.task_labels or ("both" if has_labels else "source"),
        feature_rate=settings.feature_rate or (0.1 if task.backbone.trained else 1.0),
    )


def _reset(module: nn.Module) -> None:
    if isinstance(module, (nn.Conv2d, nn.Linear, nn.BatchNorm2d)):
        module.reset_parameters()
