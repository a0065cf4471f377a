"""The joint training: the task on labelled images, the domains apart or together, unlabelled images by a teacher.

    min over θf, θc, θd of  L_task(θf, θc)  +  L_domain(R_λ(θf), θd)  +  ramp · (consistency + balance)

with R_λ the gradient reversal, so that θd minimises L_domain and θf maximises it, λ times as strongly. Source-only is
the same loop with nothing but L_task of the source.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from edgefs.methods.domain import DomainSettings, consistency
from edgefs.methods.domain.augment import in_style_of, inverted, strongly, weakly
from edgefs.methods.domain.coral import coral_loss
from edgefs.methods.domain.dann import domain_loss
from edgefs.methods.domain.network import DomainNetwork, Outputs
from edgefs.methods.domain.pixels import BalancedDraws, Draws
from edgefs.methods.domain.reversal import reversal_strength
from edgefs.training import TrainingSettings

_MOST_STEPS = 100  # of an epoch: a large set is gone through in several


@dataclass(frozen=True)
class Domains:
    """Images of both domains as the network takes them.

    Attributes:
        source: uint8 `[N,H,W,3]`.
        source_classes: int64 `[N]`.
        target: uint8 `[M,H,W,3]`, all that may be looked at; labels are not known, or not used.
        labelled: uint8 `[K,H,W,3]`, of the target, those whose labels may be used; K may be 0.
        labelled_classes: int64 `[K]`.
        classes: C.
    """

    source: Tensor
    source_classes: Tensor
    target: Tensor
    labelled: Tensor
    labelled_classes: Tensor
    classes: int


Batch = tuple[Tensor, Tensor, Tensor, Tensor, Tensor]


class JointObjective:
    """Objective over both domains; satisfies `edgefs.training.Objective`."""

    def __init__(
        self, module: DomainNetwork, domains: Domains, settings: DomainSettings, training: TrainingSettings, batch: int
    ) -> None:
        self._module, self._domains, self._settings = module, domains, settings
        self._training, self._batch = training, batch
        self._on_source = settings.task_labels != "target"
        self._on_target = settings.task_labels != "source" and len(domains.labelled) > 0

    @property
    def module(self) -> DomainNetwork:
        """Student, teacher, domain classifier."""
        return self._module

    @property
    def steps(self) -> int:
        """Steps of an epoch: as many as the larger domain has batches, within bounds."""
        return steps_of_epoch(max(len(self._domains.source), len(self._domains.target)), self._batch)

    def groups(self) -> list[dict[str, Any]]:
        """The features at a rate of their own, a tenth where they were learned before; see `feature_rate`."""
        return parameter_groups(self._module, self._settings, self._training.lr)

    def batches(self, epoch: int) -> Iterator[Batch]:
        """Source images with classes, target images without, and the labelled ones of the target."""
        domains, generator = self._domains, np.random.default_rng((self._training.seed, epoch))
        source = BalancedDraws(domains.source_classes.tolist(), generator)
        target = Draws(range(len(domains.target)), generator)
        labelled = BalancedDraws(domains.labelled_classes.tolist(), generator) if self._on_target else None
        for _ in range(self.steps):
            s, t = source.take(self._batch), target.take(self._batch)
            k = labelled.take(min(self._batch, len(domains.labelled))) if labelled else []
            yield (
                domains.source[s],
                domains.source_classes[s],
                domains.target[t],
                domains.labelled[k],
                domains.labelled_classes[k],
            )

    def loss(self, forward: Callable[..., Any], batch: Batch, done: float) -> Tensor:
        """All terms together; the teacher follows first, so that a checkpoint holds it as of the step before."""
        source, source_classes, target, labelled, labelled_classes = batch
        module, settings = self._module, self._settings
        module.follow(consistency.average_kept(round(done * self.steps * self._training.epochs)))
        seen = strongly(torch.cat([target, labelled]), invert=bool(settings.invert))
        strength = settings.domain_weight * reversal_strength(done)
        styled = in_style_of(seen, strongly(source, invert=bool(settings.invert)))
        of_source, of_target = forward((styled, seen), strength)
        n = len(target)
        total = self._task(of_source, source_classes, of_target.logits[n:], labelled_classes)
        if settings.domain_loss == "dann":
            total = total + domain_loss(of_source.domain, of_target.domain)
        if settings.domain_loss == "coral":
            total = total + reversal_strength(done) * coral_loss(of_source.logits, of_target.logits)
        if settings.self_training:
            answers = self._answers(target)
            logits = of_target.logits[:n]
            unlabelled = consistency.consistency_loss(logits, answers) + 0.1 * consistency.balance_loss(logits)
            total = total + consistency.ramp(done) * unlabelled
        return total

    @torch.no_grad()
    def _answers(self, target: Tensor) -> Tensor:
        """The teacher's probabilities `[N,C]`, of an image and, where that is still of its class, its negative."""
        views = [weakly(target)] + ([inverted(weakly(target))] if self._settings.invert else [])
        found = [self._module.teacher(view)[1].softmax(1) for view in views]
        return torch.stack(found).mean(0)

    def _task(self, of_source: Outputs, source_classes: Tensor, logits: Tensor, labelled_classes: Tensor) -> Tensor:
        total = consistency.no_loss(of_source.logits)
        if self._on_source:
            total = total + functional.cross_entropy(of_source.logits, source_classes)
        if self._on_target:
            total = total + functional.cross_entropy(logits, labelled_classes)
        return total

    def validate(self) -> None:
        """None: nothing is measured that would need a label of the target."""
        return


class LabelledObjective:
    """One domain with labels: source-only, the reverse classifier, and the last fine-tuning on the target."""

    def __init__(
        self,
        module: DomainNetwork,
        images: Tensor,
        classes: Tensor,
        settings: DomainSettings,
        training: TrainingSettings,
        batch: int,
    ) -> None:
        self._module, self._images, self._classes = module, images, classes
        self._settings, self._training, self._batch = settings, training, batch

    @property
    def module(self) -> DomainNetwork:
        """Student and teacher."""
        return self._module

    @property
    def steps(self) -> int:
        """Steps of an epoch: as many as there are batches, within bounds."""
        return steps_of_epoch(len(self._images), self._batch)

    def groups(self) -> list[dict[str, Any]]:
        """Groups of parameters with their rates, as in the joint training."""
        return parameter_groups(self._module, self._settings, self._training.lr)

    def batches(self, epoch: int) -> Iterator[tuple[Tensor, Tensor]]:
        """Images and classes, equally many of each class."""
        draws = BalancedDraws(self._classes.tolist(), np.random.default_rng((self._training.seed, epoch)))
        for _ in range(self.steps):
            chosen = draws.take(self._batch)
            yield self._images[chosen], self._classes[chosen]

    def loss(self, forward: Callable[..., Any], batch: tuple[Tensor, Tensor], done: float) -> Tensor:
        """Cross-entropy of the task."""
        images, classes = batch
        self._module.follow(consistency.average_kept(round(done * self.steps * self._training.epochs)))
        (outputs,) = forward((strongly(images, invert=bool(self._settings.invert)),), 0.0)
        return functional.cross_entropy(outputs.logits, classes)

    def validate(self) -> None:
        """None: nothing is measured, as in the joint training."""
        return


def steps_of_epoch(images: int, batch: int) -> int:
    """Batches that an epoch of so many images has."""
    return max(1, min(_MOST_STEPS, -(-images // batch)))


def parameter_groups(module: DomainNetwork, settings: DomainSettings, lr: float) -> list[dict[str, Any]]:
    """The backbone at `feature_rate` times the rate, everything new at the whole."""
    features = list(module.student.network.parameters())
    new = [*module.student.classifier.parameters()]
    if module.domain is not None:
        new += module.domain.parameters()
    return [{"params": features, "lr": lr * (settings.feature_rate or 1.0)}, {"params": new, "lr": lr}]
