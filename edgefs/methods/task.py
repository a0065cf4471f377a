"""What a method is given, and what it gives back.

A `Task` is whole before a method runs and is never changed by what the method finds; that is all in `Adapted`, which
says for itself how an image is looked at and how what was found decides.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from edgefs.backbones import Backbone
from edgefs.data import Sample, Split
from edgefs.data.domains import TwoDomains
from edgefs.embedding.enrolments import Embedded
from edgefs.embedding.gallery_network import GalleryNetwork
from edgefs.embedding.network import EmbeddingNetwork
from edgefs.embedding.rendered import Rendering
from edgefs.progress import Steps
from edgefs.report import Candidate
from edgefs.settings.adapt import AdaptSettings
from edgefs.training import Checkpoints
from edgefs_runtime.decision.correction import Correction
from edgefs_runtime.decision.decision import Decision, Disposition
from edgefs_runtime.decision.heads import TrainedHeadModel
from edgefs_runtime.decision.settings import DecisionSettings
from edgefs_runtime.images.preprocess import Preprocess


@dataclass(frozen=True)
class Task:
    """What is to be adapted to.

    Attributes:
        backbone: pretrained.
        preprocess: from file to network input, in one view.
        split: what may be learned from, and what may not.
        dispositions: of every class that is learned.
        strangers: dispositions of the classes that only test.
        decision: the gallery's head, which also decides where a trained one may not, and budget.
        dim: numbers of an embedding, at most; 0 leaves it unprojected.
        symmetries: in which an image that teaches is seen as well; None lets the support decide.
        device: where torch runs.
        seed: picks whatever is random.
        use_cache: whether embeddings may be remembered between runs.
        steps: told what is being done.
        settings: all that was asked for, the method's own too.
        checkpoints: where trainings are taken up from.
        rendering: pictures that projections are fitted to, rendered while images are read.
        domains: what the domain method learns from; None for the others.
    """

    backbone: Backbone
    preprocess: Preprocess
    split: Split
    dispositions: Mapping[str, Disposition]
    strangers: Mapping[str, Disposition]
    decision: DecisionSettings
    dim: int
    symmetries: tuple[str, ...] | None
    device: torch.device
    seed: int
    use_cache: bool
    steps: Steps
    settings: AdaptSettings
    checkpoints: Checkpoints
    rendering: Rendering
    domains: TwoDomains | None = None

    def in_views(self, symmetries: tuple[str, ...]) -> Preprocess:
        """The preprocessing of a model whose gallery holds each image in these symmetries as well."""
        return dataclasses.replace(self.preprocess, symmetries=symmetries)

    def deciding(self, correction: Correction | None = None, head: Mapping[str, Any] = {}) -> DecisionSettings:
        """The decision settings that were asked for, with what a method found.

        Args:
            correction: what the support's own scores have to be corrected by, where the network was trained on it.
            head: settings of the gallery's head that differ from what was asked for.
        """
        return dataclasses.replace(self.decision, head={**self.decision.head, **head}, correction=correction)

    def of_support_alone(self) -> Task:
        """The task without images to measure on, for a method that only wants another one's choices."""
        return dataclasses.replace(self, split=dataclasses.replace(self.split, validation=(), test=()))


@dataclass(frozen=True)
class Adapted:
    """What a method found.

    Attributes:
        network: the embedding network.
        embedded: every image of the split; the support in all views.
        preprocess: from file to network input, in the views that the gallery holds.
        decision: how it decides: the gallery's head, which also decides where a trained one may not, budget and
            correction.
        candidates: what was compared, for the report.
        notes: what was done, in sentences.
        honest: decisions about images learned from, each by a network and a gallery that were not made of it; of a
            method that trains on them, whose gallery can't be cross-validated by itself.
        gallery: what embeds the gallery's images where they are of another domain; None is `network`.
        head: trained on the embedding; None leaves it to the gallery's.
        refit_head: fits such a head to some of the support, for cross-validation; None where that can't be done.
        method: what was chosen, where choosing was the method's business.
    """

    network: EmbeddingNetwork
    embedded: Embedded
    preprocess: Preprocess
    decision: DecisionSettings
    candidates: tuple[Candidate, ...]
    notes: tuple[str, ...]
    honest: tuple[tuple[Sample, Decision], ...] | None = None
    gallery: GalleryNetwork | None = None
    head: TrainedHeadModel | None = None
    refit_head: Callable[[Sequence[Sample]], TrainedHeadModel] | None = None
    method: str | None = None

    @property
    def symmetries(self) -> tuple[str, ...]:
        """Symmetries in which an image that teaches is seen as well."""
        return self.preprocess.symmetries
