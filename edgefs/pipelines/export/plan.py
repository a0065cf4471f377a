"""A RUN, read: its network, its images as they are today, and how it decides."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from edgefs.data import Sample
from edgefs.embedding.enrolments import Embedded, enrolments_of
from edgefs.embedding.network import EmbeddingNetwork
from edgefs.pipelines.networks import load_network
from edgefs.runs.parts import ImageRecord
from edgefs.runs.run import Run
from edgefs_runtime.base.errors import DataError
from edgefs_runtime.decision.decision import Disposition
from edgefs_runtime.decision.heads import TrainedHead, TrainedHeadModel
from edgefs_runtime.decision.judge import Judge
from edgefs_runtime.decision.settings import DecisionSettings
from edgefs_runtime.decision.snapshot import Enrolment, build_snapshot
from edgefs_runtime.images import content_digest
from edgefs_runtime.images.preprocess import Preprocess

_LARGEST_TEST = 5000  # images measured through the runtime


@dataclass(frozen=True)
class ExportPlan:
    """What is exported; `blank` are the test images that show nothing, about which no device decides."""

    run: Run
    name: str
    network: EmbeddingNetwork
    preprocess: Preprocess
    decision: DecisionSettings
    head: TrainedHeadModel | None
    dispositions: Mapping[str, Disposition]
    strangers: Mapping[str, Disposition]
    train: tuple[Sample, ...]
    test: tuple[Sample, ...]
    blank: tuple[Sample, ...] = ()

    def enrolments(
        self, vectors: Embedded, refined: Sequence[Enrolment] = (), pictures: Mapping[str, bytes] = {}
    ) -> list[Enrolment]:
        """What the gallery begins with: the images learned from, in the embedding given, and what refines them."""
        return [*enrolments_of(self.train, vectors, self.dispositions, pictures), *refined]

    def judge(self, vectors: Embedded, refined: Sequence[Enrolment] = ()) -> Judge:
        """Judge that decides by these enrolments."""
        snapshot = build_snapshot(self.enrolments(vectors, refined), 0, vectors.views)
        return Judge(snapshot, self.decision, trained=TrainedHead(self.head, snapshot) if self.head else None)


def read_plan(run: Run, data: Path | None, name: str | None) -> ExportPlan:
    """Read a RUN for export.

    Args:
        run: what `adapt` left behind.
        data: where the images lie now, if not where `adapt` found them.
        name: of the model; None takes the RUN's.

    Raises:
        RunError: the RUN does not fit this torchvision.
        DataError: an image is gone or another one now.
    """
    record = run.record
    root = data or Path(record.data.root)
    root = root.parent if root.is_file() else root
    return ExportPlan(
        run=run,
        name=name or run.name,
        network=load_network(run),
        preprocess=record.preprocess,
        decision=record.decision,
        head=run.trained_head,
        dispositions=record.labels,
        strangers=record.strangers,
        train=_samples(record.images.train, root),
        test=_samples(_some(record.images.test), root),
        blank=_samples(record.no_decision.test, root),
    )


def _some(images: Sequence[ImageRecord]) -> Sequence[ImageRecord]:
    """A part of very many images that holds every class: they lie by folder, so none may be cut off at the end."""
    if len(images) <= _LARGEST_TEST:
        return images
    return sorted(images, key=lambda image: image.sha256)[:_LARGEST_TEST]


def _samples(images: Sequence[ImageRecord], root: Path) -> tuple[Sample, ...]:
    """The images of a RUN, unchanged.

    Raises:
        DataError: one is gone or another one now.
    """
    found = []
    for image in images:
        path = root / image.path
        if not path.is_file():
            raise DataError(f"{path}: gone since `edgefs adapt`; pass --data with the folder where the images lie now")
        if content_digest(path) != image.sha256:
            raise DataError(f"{path}: not the image that `edgefs adapt` learned from or tested on; run it again")
        found.append(Sample(path, image.label, image.group, "", image.sha256, (0, 0), 8, blank=image.reason))
    return tuple(found)
