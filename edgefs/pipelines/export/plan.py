"""A RUN, read: its network, its images as they are today, and how it decides."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from safetensors.torch import load_file

from edgefs.backbones import Backbone, architecture
from edgefs.data import Sample
from edgefs.embedding.enrolments import Embedded, enrolments_of
from edgefs.embedding.gallery_network import GalleryNetwork
from edgefs.embedding.network import EmbeddingNetwork, EmbeddingPlan
from edgefs.runs.run import GALLERY_WEIGHTS, WEIGHTS, Run
from edgefs_runtime.base.errors import DataError, RunError
from edgefs_runtime.bundle.manifest import gallery_head
from edgefs_runtime.decision.decision import Disposition
from edgefs_runtime.decision.heads import TrainedHead, TrainedHeadModel
from edgefs_runtime.decision.judge import DecisionSettings, Judge
from edgefs_runtime.decision.snapshot import Enrolment, build_snapshot
from edgefs_runtime.images import content_digest
from edgefs_runtime.images.preprocess import Preprocess

_LARGEST_TEST = 5000  # images measured through the runtime


@dataclass(frozen=True)
class Plan:
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
        self, vectors: Embedded, refined: Sequence[Enrolment] = (), jpegs: Mapping[str, bytes] = {}
    ) -> list[Enrolment]:
        """What the gallery begins with: the images learned from, in the embedding given, and what refines them."""
        return [*enrolments_of(self.train, vectors, self.dispositions, jpegs), *refined]

    def judge(self, vectors: Embedded, refined: Sequence[Enrolment] = ()) -> Judge:
        """Decides by that."""
        snapshot = build_snapshot(self.enrolments(vectors, refined), 0, vectors.views)
        return Judge(snapshot, self.decision, trained=TrainedHead(self.head, snapshot) if self.head else None)


def read_plan(run: Run, data: Path | None, name: str | None) -> Plan:
    """Read a RUN for export.

    Args:
        run: what `adapt` left behind.
        data: where the images lie now, if not where `adapt` found them.
        name: of the model; None takes the RUN's.

    Raises:
        RunError: the RUN does not fit this torchvision.
        DataError: an image is gone or another one now.
    """
    root = data or Path(run.fields["data"]["root"])
    root = root.parent if root.is_file() else root
    preprocess, decision, dispositions = settings_of(run)
    return Plan(
        run=run,
        name=name or run.name,
        network=load_network(run),
        preprocess=preprocess,
        decision=decision,
        head=run.trained_head,
        dispositions=dispositions,
        strangers={entry["label"]: entry["disposition"] for entry in run.fields.get("strangers", ())},
        train=_samples(run.fields["images"]["train"], root),
        test=_samples(_some(run.fields["images"]["test"]), root),
        blank=_samples(run.fields.get("no_decision", {}).get("test", ()), root),
    )


def _some(images: Sequence[Mapping[str, str]]) -> Sequence[Mapping[str, str]]:
    """Of very many images, a part that holds every class: their order is by folder, so none may be cut off its end."""
    if len(images) <= _LARGEST_TEST:
        return images
    return sorted(images, key=lambda image: image["sha256"])[:_LARGEST_TEST]


def _samples(images: Sequence[Mapping[str, str]], root: Path) -> tuple[Sample, ...]:
    """The images of a RUN, unchanged.

    Raises:
        DataError: one is gone or another one now.
    """
    found = []
    for image in images:
        path = root / image["path"]
        if not path.is_file():
            raise DataError(f"{path}: gone since `edgefs adapt`; pass --data with the folder where the images lie now")
        if content_digest(path) != image["sha256"]:
            raise DataError(f"{path}: not the image that `edgefs adapt` learned from or tested on; run it again")
        group, reason = image.get("group", ""), image.get("reason", "")
        found.append(Sample(path, image["label"], group, "", image["sha256"], (0, 0), 8, blank=reason))
    return tuple(found)


def load_network(run: Run) -> EmbeddingNetwork:
    """The embedding network of a RUN.

    Raises:
        RunError: its weights don't fit the network that this torchvision builds.
    """
    fields = run.fields["backbone"]
    backbone = Backbone(
        name=fields["name"],
        network=architecture(fields["name"]),
        size=fields["size"],
        origin=fields["origin"],
        digest=fields["digest"],
        mean=tuple(fields["mean"]),
        std=tuple(fields["std"]),
    )
    network = EmbeddingNetwork(backbone, EmbeddingPlan.from_json(run.fields["plan"]))
    try:
        network.load_state_dict(load_file(run.folder / WEIGHTS))
    except RuntimeError as error:
        raise RunError(
            f"{run.folder}: the weights don't fit {fields['name']} of this torchvision; the RUN was made with "
            f"{run.fields['versions'].get('torchvision')}; run `edgefs adapt` again"
        ) from error
    return network.eval()


def load_gallery_network(run: Run) -> GalleryNetwork | None:
    """What embeds the gallery's images of a RUN; None where the embedding network does."""
    if GALLERY_WEIGHTS not in run.fields["files"]:
        return None
    network = GalleryNetwork(load_network(run))
    network.load_state_dict(load_file(run.folder / GALLERY_WEIGHTS))
    return network.eval()


def settings_of(run: Run) -> tuple[Preprocess, DecisionSettings, dict[str, Disposition]]:
    """Preprocessing, decision settings and dispositions of a RUN."""
    decision = run.fields["decision"]
    return (
        Preprocess.from_json(run.fields["preprocess"]),
        DecisionSettings.from_json(gallery_head(run.fields), decision),
        {entry["label"]: entry["disposition"] for entry in run.fields["labels"]},
    )
