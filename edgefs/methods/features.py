"""Feature extraction: the backbone stays as it is, and its intermediate stages are the embedding.

min over θc of L(θc; φ(Dt), Yt): φ is frozen, only the head is computed. Which stages and poolings φ consists of is
chosen by leave-one-part-out over the support, which is exact and nearly free (`Head.left_out`). All stages together are
hard to beat from few images, and of two dozen choices some look better by chance: another choice must win by three
standard errors of the paired difference.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from edgefs.cache import EmbeddingCache, cache_path
from edgefs.data import Sample
from edgefs.data.parts import draw_key
from edgefs.embedding import EmbeddingNetwork, EmbeddingPlan
from edgefs.methods.task import Adapted, Task
from edgefs.report import Candidate
from edgefs.teaching import Vectors, snapshot_of
from edgefs.torch_embedder import TorchEmbedder, embed_samples
from edgefs_runtime.embedder import canonical_json
from edgefs_runtime.heads import fit_head

_LARGEST_SUPPORT = 300  # rows a choice is made on; more cost time and change nothing
_CLEARLY = 3.0  # standard errors: one of two dozen wins by two of them through luck alone


def adapt_features(task: Task) -> Adapted:
    """Embed every image once with all stages, choose among them, and keep the blocks that were chosen."""
    full = EmbeddingPlan.all_stages(task.backbone, task.preprocess.size)
    vectors = _embed(task, full)
    progress = task.steps("choose stages")
    trials = []
    plans = _plans(full)
    for number, (name, plan) in enumerate(plans):
        trials.append(_try(name, plan, full, task, vectors))
        progress(number + 1, len(plans))
    chosen = _choose(trials)
    columns = _columns(full, chosen.plan)
    return Adapted(
        network=EmbeddingNetwork(task.backbone, chosen.plan),
        vectors={digest: vector[columns] for digest, vector in vectors.items()},
        candidates=tuple(
            Candidate(trial.name, trial.accuracy, trial.standard_error, trial is chosen) for trial in trials
        ),
        notes=(_explain(chosen, trials, task),),
    )


@dataclass(frozen=True)
class _Trial:
    """One plan, judged: `weighted` `[n]` adds up to the balanced accuracy of the support left out."""

    name: str
    plan: EmbeddingPlan
    weighted: NDArray[np.float64]

    @property
    def accuracy(self) -> float:
        return float(self.weighted.sum())

    @property
    def standard_error(self) -> float:
        return _spread(self.weighted)


def _embed(task: Task, plan: EmbeddingPlan) -> Vectors:
    space = (task.backbone.digest, canonical_json(plan.to_json()), canonical_json(task.preprocess.to_json()))
    path = cache_path(*space, torch.__version__, task.device.type) if task.use_cache else None
    cache = EmbeddingCache(path)
    try:
        embedder = TorchEmbedder(EmbeddingNetwork(task.backbone, plan), task.device)
        samples = (*task.split.train, *task.split.validation, *task.split.test)
        return embed_samples(samples, embedder, task.preprocess, cache, task.steps("embed"))
    finally:
        cache.close()


def _plans(full: EmbeddingPlan) -> list[tuple[str, EmbeddingPlan]]:
    """Runs of stages that end at the last or leave it out, each with both poolings or one; all of it first."""
    n = len(full.taps)
    runs = {(0, n), *((start, n) for start in range(n)), *((start, n - 1) for start in range(max(0, n - 3), n - 1))}
    ordered = sorted(runs, key=lambda run: (run != (0, n), -run[1], run[0]))
    found = []
    for start, end in ordered:
        for poolings in (full.poolings, *((pooling,) for pooling in full.poolings)):
            stages = f"stages {start + 1} to {end}" if end - start > 1 else f"stage {end}"
            found.append((f"{stages}, {' + '.join(poolings)}", full.narrowed(full.taps[start:end], poolings)))
    return found


def _try(name: str, plan: EmbeddingPlan, full: EmbeddingPlan, task: Task, vectors: Vectors) -> _Trial:
    support = _support(task)
    columns = _columns(full, plan)
    narrowed = {sample.digest: vectors[sample.digest][columns] for sample in support}
    snapshot = snapshot_of(support, narrowed, task.dispositions)
    scores = fit_head(task.decision.head, snapshot).left_out().scores
    rows = np.arange(len(scores))
    judged = np.isfinite(scores[rows, snapshot.classes])  # a class with a single part can't be left out
    right = (scores.argmax(axis=1) == snapshot.classes) & judged
    counts = np.bincount(snapshot.classes[judged], minlength=len(snapshot.labels))
    weight = 1 / (np.maximum(counts, 1) * max(1, int((counts > 0).sum())))
    return _Trial(name, plan, (right * weight[snapshot.classes])[judged])


def _support(task: Task) -> tuple[Sample, ...]:
    """The support, or a seeded part of it that holds equally many of each class."""
    if len(task.split.train) <= _LARGEST_SUPPORT:
        return task.split.train
    labels = {sample.label for sample in task.split.train}
    share = max(2, _LARGEST_SUPPORT // len(labels))
    kept: set[str] = set()
    for label in labels:
        own = sorted({sample.digest for sample in task.split.train if sample.label == label})
        kept.update(sorted(own, key=lambda digest: draw_key(task.seed, "choose", digest))[:share])
    return tuple(sample for sample in task.split.train if sample.digest in kept)


def _choose(trials: list[_Trial]) -> _Trial:
    """The best of those that clearly beat the first, or the first."""
    first = trials[0]
    better = [
        trial
        for trial in trials[1:]
        if (trial.weighted - first.weighted).sum() > _CLEARLY * _spread(trial.weighted - first.weighted)
    ]
    return max(better, key=lambda trial: trial.accuracy, default=first)


def _spread(weighted: NDArray[np.float64]) -> float:
    """Standard error of the sum of `[n]` independent values."""
    n = len(weighted)
    return float(weighted.std(ddof=1) * np.sqrt(n)) if n > 1 else 0.0


def _columns(full: EmbeddingPlan, plan: EmbeddingPlan) -> NDArray[np.int64]:
    """Columns of the full embedding that a narrowed plan keeps."""
    kept = [
        np.arange(span.start, span.stop)
        for tap, pooling, span in full.blocks
        if tap in plan.taps and pooling in plan.poolings
    ]
    return np.concatenate(kept)


def _explain(chosen: _Trial, trials: list[_Trial], task: Task) -> str:
    n = len(chosen.weighted)
    if not n:
        return f"Embedding: {chosen.name} of {task.backbone.name}, unchosen: every class has a single part."
    outcome = (
        "none of the others beat it clearly"
        if chosen is trials[0]
        else f"it beats {trials[0].name} ({100 * trials[0].accuracy:.1f} %) clearly"
    )
    return (
        f"Embedding: {chosen.name} of {task.backbone.name}, {chosen.plan.dim} numbers. Of {len(trials)} choices "
        f"compared on the {n} images learned from, each part left out in turn, it places "
        f"{100 * chosen.accuracy:.1f} % (balanced); {outcome}."
    )
