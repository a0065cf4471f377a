"""One fine-tuning: a copy of the backbone, a head, and a training on some of the images."""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor, nn

from edgefs.backbones import Backbone
from edgefs.backbones.stages import stage_of
from edgefs.embedding.network import EmbeddingPlan
from edgefs.embedding.projection import Projection
from edgefs.methods.finetune import FinetuneSettings
from edgefs.methods.finetune.cutting import CutNetwork
from edgefs.methods.finetune.objective import CosineHead, Supervised, Tuned, feature_of
from edgefs.methods.finetune.remembered import RememberedImages
from edgefs.methods.task import Task
from edgefs.training import History, TrainingSettings, make_fabric, train
from edgefs_export.onnx.head import linear_head_onnx
from edgefs_runtime.decision.heads import TrainedHeadModel

if TYPE_CHECKING:
    from lightning_fabric import Fabric

EPOCHS, LR, BATCH = 20, 1e-3, 16


@dataclass(frozen=True)
class TunedNetwork:
    """What a training left: the backbone with its new values, the cut through it, the head, and how it went."""

    backbone: Backbone
    cut: CutNetwork
    head: nn.Module
    history: History

    def model(self, labels: tuple[str, ...], temperature: float) -> TrainedHeadModel | None:
        """The head as it travels; None where the gallery's own does its work."""
        if not isinstance(self.head, nn.Linear):
            return None
        weight, bias = (value.detach().cpu().numpy() for value in (self.head.weight, self.head.bias))
        return TrainedHeadModel(linear_head_onnx(weight, bias), "linear", labels, temperature)


@dataclass(frozen=True)
class Tuning:
    """What all trainings of a run share.

    Attributes:
        task: what is adapted to.
        plan: all stages.
        images: that are learned from, and that validate.
        projection: of the frozen network; None with a linear head.
    """

    task: Task
    plan: EmbeddingPlan
    images: RememberedImages
    projection: Projection | None

    @cached_property
    def fabric(self) -> Fabric:
        """Where it runs."""
        settings = self.task.settings
        return make_fabric(self.task.device, settings.devices, settings.precision)

    @property
    def kind(self) -> str:
        """Kind of the head that is trained: `cosine` or `linear`."""
        return self.task.settings.head or "cosine"

    @property
    def shipped(self) -> EmbeddingPlan:
        """What ships as the embedding: all stages, or what the linear layer sees."""
        if self.kind == "linear":
            return dataclasses.replace(self.plan.narrowed(self.plan.taps[-1:], ("avg",)), unit=False)
        return dataclasses.replace(self.plan, projected=len(self.projection.shift) if self.projection else 0)

    def tune(self, options: FinetuneSettings, learned: Sequence[int], name: str) -> TunedNetwork:
        """Train on some of the images; those behind the ones that teach validate, and choose the epoch."""
        settings, images = self.task.settings, self.images
        backbone = dataclasses.replace(self.task.backbone, network=copy.deepcopy(self.task.backbone.network))
        cut = CutNetwork(backbone.network, self.plan, images.frozen)
        self._freeze(backbone, cut, options)
        torch.manual_seed(self.task.seed)
        module = Tuned(cut, self._head(cut, learned), options.bn_stats)
        objective = Supervised(
            module,
            images.bank,
            images.views,
            images.classes,
            learned=np.array(learned, np.int64),
            validating=np.arange(images.taught, len(images.samples)),
            rates=self._rates(backbone, options),
            lr=settings.lr or LR,
            l2sp=options.l2sp,
            batch=settings.batch or BATCH,
            seed=self.task.seed,
        )
        history = train(
            objective,
            self._training(),
            fabric=self.fabric,
            place=self.task.checkpoints.place(f"{name} {dataclasses.asdict(options)}"),
            progress=self.task.steps(name),
        )
        return TunedNetwork(backbone, cut, module.head, history)

    def _freeze(self, backbone: Backbone, cut: CutNetwork, options: FinetuneSettings) -> None:
        """Where a search tries several depths, the cut lies before the deepest of them."""
        first = len(self.plan.taps) - (options.unfreeze or 0)
        for name, value in cut.tail.named_parameters():
            value.requires_grad_(stage_of(backbone.network, self.plan.taps, name) >= first)

    def _training(self) -> TrainingSettings:
        settings = self.task.settings
        return TrainingSettings(
            epochs=settings.epochs or EPOCHS,
            optimizer=settings.optimizer or "adam",
            schedule=settings.schedule or "cosine",
            precision=settings.precision,
            seed=self.task.seed,
        )

    def _head(self, cut: CutNetwork, learned: Sequence[int]) -> nn.Module:
        """Head to be trained: cosines begin with the classes' means, the textbook's layer with noise."""
        feature = feature_of(cut)
        if self.kind == "linear":
            return nn.Linear(feature.stop - feature.start, len(self.images.labels))
        features = self._plain(cut, learned)[:, feature]
        unit = features / features.norm(dim=1, keepdim=True).clamp_min(1e-12)
        classes = torch.from_numpy(self.images.classes[list(learned)])
        means = [unit[classes == number].mean(dim=0) for number in range(len(self.images.labels))]
        return CosineHead(torch.stack(means))

    @torch.no_grad()
    def _plain(self, cut: CutNetwork, positions: Sequence[int]) -> Tensor:
        """`[n,F]` of images as they are, not turned."""
        rows = torch.tensor(list(positions)) * self.images.views
        cut.eval()
        device = self.task.device  # the bank is in the computer's own memory, the network where it trains
        banks = [self.images.bank.rows(chunk) for chunk in torch.split(rows, 256)]
        return torch.cat([cut(*(value.to(device) for value in values)).cpu() for values in banks])

    def _rates(self, backbone: Backbone, options: FinetuneSettings) -> Callable[[str], float]:
        """The factor of a parameter's rate: less for each stage before the last."""
        taps, network = self.plan.taps, backbone.network

        def rate(name: str) -> float:
            return options.stage_rate * options.layer_decay ** max(0, len(taps) - 1 - stage_of(network, taps, name))

        return rate
