"""Feature extraction: the backbone stays as it is, and its intermediate stages are the embedding.

min over θc of L(θc; φ(Dt), Yt): φ is frozen, only the head is computed. Which stages and poolings φ consists of is
chosen by leave-one-part-out over the support, which is exact and nearly free (`Head.left_out`). All stages together are
hard to beat from few images, and of two dozen choices some look better by chance: another choice must win by three
standard errors of the paired difference.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from edgefs.cache import EmbeddingCache, cache_path
from edgefs.data import Sample
from edgefs.data.parts import draw_key
from edgefs.embedding import EmbeddingNetwork, EmbeddingPlan
from edgefs.methods.task import Adapted, Task
from edgefs.projection import Projection
from edgefs.report import Candidate
from edgefs.teaching import Embedded, Vectors, snapshot_of
from edgefs.torch_embedder import TorchEmbedder, embed_rendered, embed_samples
from edgefs_runtime.embedder import canonical_json
from edgefs_runtime.heads import fit_head
from edgefs_runtime.preprocess import SYMMETRIES
from edgefs_runtime.snapshot import Snapshot

_LARGEST_SUPPORT = 300  # rows a choice is made on; more cost time and change nothing
_MOST_ROWS = 4000  # embeddings in a gallery; with more images, views are worth less than what they cost
_TOLD_BETTER = 2.0  # standard errors, for fewer views
_CLEARLY = 3.0  # standard errors: one of two dozen wins by two of them through luck alone


def adapt_features(task: Task) -> Adapted:
    """Embed every image once with all stages, choose among them, project what was chosen, and choose the views."""
    full = EmbeddingPlan.all_stages(task.backbone, task.preprocess.size)
    with _Images(task, full) as images:
        everything = (*task.split.train, *task.split.validation, *task.split.test)
        vectors = images.embed(everything, ("",), "embed")
        progress = task.steps("choose stages")
        trials = []
        plans = _plans(full) if len(task.dispositions) > 1 else _plans(full)[:1]  # one class tells no choice
        for number, (name, plan) in enumerate(plans):
            trials.append(_try(name, plan, full, task, vectors))
            progress(number + 1, len(plans))
        chosen = _choose(trials)
        columns = _columns(full, chosen.plan)
        plan, projection = chosen.plan, None
        if task.dim:
            projection = Projection.fit(images.rendered()[:, columns], task.dim)
            plan = dataclasses.replace(plan, projected=len(projection.shift))
        asked = _shortened(vectors, full.width, columns, projection)

        def teach(symmetries: Sequence[str]) -> Embedded:
            if not symmetries:
                return Embedded(asked, asked)
            seen = images.embed(task.split.train, symmetries, "embed views")
            others = _shortened(seen, full.width, columns, projection)
            taught = {digest: np.concatenate([asked[digest], views]) for digest, views in others.items()}
            return Embedded(asked, taught, 1 + len(symmetries))

        symmetries, sentence = _choose_symmetries(task, teach)
        embedded = teach(symmetries)
    return Adapted(
        network=EmbeddingNetwork(task.backbone, plan, projection),
        embedded=embedded,
        symmetries=symmetries,
        candidates=tuple(
            Candidate(trial.name, trial.accuracy, trial.standard_error, trial is chosen) for trial in trials
        ),
        notes=(_explain(chosen, trials, task, plan), sentence),
    )


class _Images:
    """Embeddings with all stages, by torch, remembered between runs."""

    def __init__(self, task: Task, plan: EmbeddingPlan) -> None:
        space = (task.backbone.digest, canonical_json(plan.to_json()))
        preprocess, software = canonical_json(task.preprocess.to_json()), (torch.__version__, task.device.type)
        of_images = cache_path(*space, preprocess, *software) if task.use_cache else None
        of_pictures = cache_path(*space, *software) if task.use_cache else None
        self._task = task
        self._embedder = TorchEmbedder(EmbeddingNetwork(task.backbone, plan), task.device)
        self._images, self._pictures = EmbeddingCache(of_images), EmbeddingCache(of_pictures)

    def __enter__(self) -> _Images:
        return self

    def __exit__(self, *_: object) -> None:
        self._images.close()
        self._pictures.close()

    def embed(self, samples: Sequence[Sample], symmetries: Sequence[str], step: str) -> Vectors:
        """`[V·F]` of each image."""
        task = self._task
        return embed_samples(
            samples, self._embedder, task.preprocess, self._images, task.steps(step), symmetries=symmetries
        )

    def rendered(self) -> NDArray[np.float32]:
        """`[n,F]` of pictures that show nothing in particular."""
        step = self._task.steps("embed rendered pictures")
        return embed_rendered(self._embedder, self._task.preprocess.size, self._pictures, step)


def _shortened(
    vectors: Vectors, width: int, columns: NDArray[np.int64], projection: Projection | None
) -> dict[str, NDArray[np.float32]]:
    """Of `[V·F]` the chosen columns of every view, projected: `[V·D]`."""
    rows = np.stack(list(vectors.values()))
    views = rows.reshape(-1, width)[:, columns]
    found = views if projection is None else projection(views)
    return dict(zip(vectors, found.reshape(len(rows), -1), strict=True))


def _choose_symmetries(task: Task, teach: Callable[[Sequence[str]], Embedded]) -> tuple[tuple[str, ...], str]:
    """In which symmetries the support is seen as well, and why; `teach` embeds it so.

    All that the input's shape allows are taken: they make one image worth more. Where left and right are different
    classes they ruin everything, and the support tells.
    """
    if task.symmetries is not None:
        named = ", ".join(task.symmetries) or "none"
        return task.symmetries, f"Views of an image that teaches, as asked for: itself and {named}."
    choices = _allowed_symmetries(task)
    if len(task.dispositions) == 1:
        return choices[0], f"Views of an image that teaches: {1 + len(choices[0])}."
    support = _support(task)
    trials = []
    for symmetries in choices:
        snapshot = snapshot_of(support, teach(symmetries), task.dispositions)
        trials.append(_weighted(fit_head(task.decision.head, snapshot).left_out().scores, snapshot))
    best = 0
    for number in range(1, len(choices)):
        gain = trials[number] - trials[best]
        if gain.sum() > _TOLD_BETTER * _spread(gain):
            best = number
    symmetries = choices[best]
    why = "" if not best else f" With more views {100 * trials[0].sum():.1f} % of the support are told rightly,"
    why += f" so {100 * trials[best].sum():.1f} %." if best else ""
    return symmetries, f"Views of an image that teaches: {1 + len(symmetries)}.{why}"


def _allowed_symmetries(task: Task) -> list[tuple[str, ...]]:
    """Sets to choose from, the largest first: what the input's shape allows and the gallery can hold."""
    height, width = task.preprocess.size
    flips = ("h", "v", "hv")
    every = tuple(name for name in SYMMETRIES if name)
    wanted = [every, flips, ()] if height == width else [flips, ()]
    return [one for one in wanted if not one or len(task.split.train) * (1 + len(one)) <= _MOST_ROWS]


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
    snapshot = snapshot_of(support, Embedded(narrowed, narrowed), task.dispositions)
    return _Trial(name, plan, _weighted(fit_head(task.decision.head, snapshot).left_out().scores, snapshot))


def _weighted(scores: NDArray[np.float64], snapshot: Snapshot) -> NDArray[np.float64]:
    """What each left-out image adds to the balanced accuracy, `[n]` of those that can be judged."""
    rows = np.arange(len(scores))
    judged = np.isfinite(scores[rows, snapshot.classes])  # a class with a single part can't be left out
    right = (scores.argmax(axis=1) == snapshot.classes) & judged
    counts = np.bincount(snapshot.classes[judged], minlength=len(snapshot.labels))
    weight = 1 / (np.maximum(counts, 1) * max(1, int((counts > 0).sum())))
    return np.asarray((right * weight[snapshot.classes])[judged])


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


def _explain(chosen: _Trial, trials: list[_Trial], task: Task, plan: EmbeddingPlan) -> str:
    n = len(chosen.weighted)
    if not n or len(trials) == 1:
        why = "there is a single class" if len(trials) == 1 else "every class has a single part"
        return f"Embedding: {chosen.name} of {task.backbone.name}, {_numbers(plan)}, unchosen: {why}."
    outcome = (
        "none of the others beat it clearly"
        if chosen is trials[0]
        else f"it beats {trials[0].name} ({100 * trials[0].accuracy:.1f} %) clearly"
    )
    return (
        f"Embedding: {chosen.name} of {task.backbone.name}, {_numbers(plan)}. Of {len(trials)} choices "
        f"compared on the {n} images learned from, each part left out in turn, it places "
        f"{100 * chosen.accuracy:.1f} % (balanced); {outcome}."
    )


def _numbers(plan: EmbeddingPlan) -> str:
    return f"{plan.width} numbers projected to {plan.projected}" if plan.projected else f"{plan.width} numbers"
