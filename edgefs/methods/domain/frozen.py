"""The cheap kinds: nothing is trained, only statistics of the two domains are brought together.

- `--adapt-bn`: batch normalisation takes the target's images by the target's statistics (AdaBN, Li et al. 2016).
- `--align`: the source's embeddings are moved to where the target's lie (mean, moments, or CORAL).

Where the target has labels, its own images are the gallery and there is nothing to align.
"""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from edgefs.data import Sample
from edgefs.data.domains import TwoDomains
from edgefs.data.splits.parts import draw_key
from edgefs.embedding.cache import EmbeddingCache
from edgefs.embedding.enrolments import Embedded, snapshot_of
from edgefs.embedding.gallery_network import GalleryNetwork
from edgefs.embedding.network import EmbeddingNetwork, EmbeddingPlan
from edgefs.embedding.projection import Projection
from edgefs.embedding.torch_embedder import TorchEmbedder, embed_samples
from edgefs.methods.domain import DomainSettings
from edgefs.methods.domain.adabn import estimate_statistics, has_batch_norm
from edgefs.methods.domain.guard import collapse_of
from edgefs.methods.domain.pixels import in_batches, load_pixels
from edgefs.methods.domain.thresholds import correction_by_target
from edgefs.methods.domain.validators import Answers, Spread
from edgefs.methods.embedding import embed_all
from edgefs.methods.features.method import fit_projection
from edgefs.methods.task import Adapted, Task
from edgefs_runtime.base.errors import EdgefsError, GalleryError
from edgefs_runtime.base.wording import counted
from edgefs_runtime.decision.heads import fit_head
from edgefs_runtime.decision.snapshot import Snapshot
from edgefs_runtime.realign.estimate import fit_alignment

_NOT_ALIGNED = "Warning: --align changed nothing"
_INSTEAD = (
    "What else to try: labels for a few images of the target (one folder per class), more images of it, or training on "
    "both (--method domain without --align and --adapt-bn)."
)
_LOOKED_AT = 500  # images of a domain whose statistics are estimated
_BATCH = 32  # images of a batch that statistics are estimated on
_SHARPNESS = 10.0  # of the softmax over cosines by which answers are compared


def adapt_frozen(task: Task, two: TwoDomains) -> Adapted:
    """Bring statistics together, and keep the source's own where that says less about the target."""
    settings = task.settings.of(DomainSettings)
    plan = EmbeddingPlan.all_stages(task.backbone, task.preprocess.size)
    projection = fit_projection(task, plan)
    if projection is not None:
        plan = dataclasses.replace(plan, projected=len(projection.shift))
    target = _some(two.target, task.seed)
    plain = EmbeddingNetwork(task.backbone, plan, projection)
    notes = ["No training: the backbone stays as it is."]
    network, of_gallery = plain, plain
    if settings.adapt_bn:
        network = _with_statistics(task, plan, projection, target)
        of_gallery = network if two.labelled else _with_statistics(task, plan, projection, _some(two.source, task.seed))
        notes.append(f"Batch statistics: of {counted(len(target), 'target image')}.")
    if two.labelled:
        if settings.align:
            notes.append(
                f"{_NOT_ALIGNED}: the gallery is of the target itself, since its images have labels. "
                "Leave --align out, or pass the target without labels to align the source's gallery."
            )
        return _shipped(task, network, None, notes)
    rows = _rows(task, network, target)
    gallery, note = _aligned(task, of_gallery, rows) if settings.align else (None, "")
    notes += [note] if note else []
    if gallery is None and network is plain:
        return _shipped(task, plain, None, notes)
    gallery = gallery or GalleryNetwork(of_gallery)
    before = _answers(_rows(task, plain, target), _gallery(task, GalleryNetwork(plain)))
    after = _answers(rows, _gallery(task, gallery))
    if reason := _worse(before, after):
        asked = " and ".join(_asked(task))
        kept = f"Warning: {asked} adapted nothing, the frozen backbone is kept: {reason}. {_INSTEAD}"
        return _shipped(task, plain, None, [*notes, kept])
    return _shipped(task, network, gallery, notes)


def _aligned(task: Task, network: EmbeddingNetwork, rows: NDArray[np.float32]) -> tuple[GalleryNetwork | None, str]:
    """What moves the source's gallery to where the target's embeddings `[n,D]` lie: `edgefs realign`, backwards."""
    try:
        alignment = fit_alignment(
            rows, _gallery(task, GalleryNetwork(network)), task.settings.of(DomainSettings).align or "auto"
        )
    except GalleryError as error:
        return None, f"{_NOT_ALIGNED}: {error}. {_INSTEAD}"
    if alignment.kind == "none":
        return None, (
            f"{_NOT_ALIGNED}: the target's embeddings lie where the source's do, as far as "
            f"{counted(len(rows), 'image')} can tell. {_INSTEAD}"
        )
    forth = np.diag(alignment.scale.astype(np.float64)) + alignment.left.astype(np.float64) @ alignment.right
    back = np.asarray(np.linalg.inv(forth), np.float64)
    moved = GalleryNetwork(network, back, -alignment.shift @ back)
    return moved, f"Alignment: {alignment.kind}, by {counted(len(rows), 'target image')} without a label."


def _asked(task: Task) -> list[str]:
    """The options that were to bring statistics together."""
    settings = task.settings.of(DomainSettings)
    return [*(["--adapt-bn"] if settings.adapt_bn else []), *([f"--align {settings.align}"] if settings.align else [])]


def _worse(before: Answers, after: Answers) -> str:
    """Why the source's own statistics are kept; empty where there is no reason to."""
    spreads = Spread.of(before), Spread.of(after)
    if collapsed := collapse_of(spreads[1], spreads[0], after.probabilities.shape[1]):
        return f"adaptation collapsed: {collapsed}"
    told = [spread.information for spread in spreads]
    if told[1] < told[0]:
        return f"an answer on the target tells {told[1]:.2f} nats of the class, and told {told[0]:.2f} before"
    return ""


def _answers(rows: NDArray[np.float32], snapshot: Snapshot) -> Answers:
    scores = _SHARPNESS * fit_head({"kind": "prototype"}, snapshot).scores(rows)
    powers = np.exp(scores - scores.max(axis=1, keepdims=True))
    return Answers(rows, np.asarray(powers / powers.sum(axis=1, keepdims=True), np.float32))


def _some(samples: Sequence[Sample], seed: int) -> tuple[Sample, ...]:
    return tuple(sorted(samples, key=lambda sample: draw_key(seed, "statistics", sample.digest))[:_LOOKED_AT])


def _with_statistics(
    task: Task, plan: EmbeddingPlan, projection: Projection | None, samples: Sequence[Sample]
) -> EmbeddingNetwork:
    if not has_batch_norm(task.backbone.network):
        raise EdgefsError(f"--adapt-bn: {task.backbone.name} has no batch normalisation; use --align instead")
    backbone = dataclasses.replace(task.backbone, network=copy.deepcopy(task.backbone.network))
    network = EmbeddingNetwork(backbone, plan, projection).to(task.device)
    pixels = load_pixels(samples, task.preprocess, task.steps("estimate statistics"))
    estimate_statistics(network, (batch.to(task.device) for batch in in_batches(pixels, _BATCH)))
    return network


def _rows(task: Task, network: EmbeddingNetwork, samples: Sequence[Sample]) -> NDArray[np.float32]:
    found = embed_samples(
        samples, TorchEmbedder(network, task.device), task.preprocess, EmbeddingCache(None), task.steps("embed target")
    )
    return np.stack([found[sample.digest] for sample in samples])


def _gallery(task: Task, network: GalleryNetwork) -> Snapshot:
    found = embed_samples(
        task.split.train,
        TorchEmbedder(network, task.device),
        task.preprocess,
        EmbeddingCache(None),
        task.steps("embed source"),
    )
    return snapshot_of(task.split.train, Embedded(found, found), task.dispositions)


def _shipped(task: Task, network: EmbeddingNetwork, gallery: GalleryNetwork | None, notes: list[str]) -> Adapted:
    symmetries = task.symmetries or ()
    embedded = embed_all(task, network, symmetries, gallery)
    assert task.domains is not None  # noqa: S101 - as in `adapt_domain`
    correction, told = correction_by_target(task, network, embedded, task.domains.target_held_out)
    return Adapted(
        network=network.cpu(),
        embedded=embedded,
        preprocess=task.in_views(symmetries),
        decision=task.deciding(correction),
        candidates=(),
        notes=(*notes, told),
        gallery=gallery,
    )
