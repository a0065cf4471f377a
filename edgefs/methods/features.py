"""Feature extraction: the backbone stays as it is, and its intermediate stages are the embedding.

min over θc of L(θc; φ(Dt), Yt): φ is frozen, only the head is computed. Which stages and poolings φ consists of is
chosen by leave-one-part-out over the support, which is exact and nearly free (`Head.left_out`); by `lda`, whatever head
will decide, since what counts as clearly better was measured with it. All stages together are
hard to beat from few images, and of two dozen choices some look better by chance: another choice must win by three
standard errors of the paired difference.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from edgefs.backbones.weights import RANDOM
from edgefs.data import Sample
from edgefs.embedding.cache import EmbeddingCache, cache_path
from edgefs.embedding.enrolments import Embedded, Vectors, snapshot_of
from edgefs.embedding.network import EmbeddingNetwork, EmbeddingPlan
from edgefs.embedding.projection import Projection
from edgefs.embedding.torch_embedder import TorchEmbedder, embed_rendered, embed_samples
from edgefs.evaluation.paired import balanced_shares, clearly_best, standard_error
from edgefs.methods.choosing import choosing_support
from edgefs.methods.sklearn_heads import train_head
from edgefs.methods.task import Adapted, Task
from edgefs.report import Candidate
from edgefs.settings.choices import TRAINED_HEADS
from edgefs_runtime.base.errors import WeightsError
from edgefs_runtime.bundle.identity import canonical_json
from edgefs_runtime.decision.heads import LdaHead
from edgefs_runtime.decision.snapshot import Snapshot
from edgefs_runtime.images.preprocess import SYMMETRIES

_MOST_ROWS = 4000  # embeddings in a gallery; with more images, views are worth less than what they cost
# Standard errors, for fewer views. On steel and magnetic tile, which views serve, 1 of 80 draws of 2 to 20 shots had
# more than 0.5; on digits, which they ruin, 29 of 30 draws of 5 to 20.
_TOLD_BETTER = 0.5
_CLEARLY = 3.0  # standard errors: one of two dozen wins by two of them through luck alone


def adapt_features(task: Task) -> Adapted:
    """Embed every image once with all stages, choose among them, project what was chosen, and choose the views.

    Raises:
        WeightsError: the backbone has random values, and nobody asked for them.
    """
    if not task.backbone.trained and task.settings.weights != RANDOM:
        raise WeightsError(
            f"{task.backbone.name} has random values, which embed nothing of use: pass --weights FILE, or train all of "
            "it with --method meta or domain"
        )
    full = EmbeddingPlan.all_stages(task.backbone, task.preprocess.size)
    with _StageEmbeddings(task, full) as images:
        everything = (*task.split.train, *task.split.validation, *task.split.test)
        vectors = images.embed(everything, ("",), "embed")
        progress = task.steps("choose stages")
        trials = []
        plans = _plans(full) if len(task.dispositions) > 1 else _plans(full)[:1]  # one class tells no choice
        for number, (name, plan) in enumerate(plans):
            trials.append(_try(name, plan, full, task, vectors))
            progress(number + 1, len(plans))
        chosen = trials[clearly_best([trial.weighted for trial in trials], _CLEARLY)]
        columns = _columns(full, chosen.plan)
        plan, projection = chosen.plan, None
        if task.dim:
            projection = Projection.fit(images.rendered()[:, columns], task.dim)
            plan = dataclasses.replace(plan, projected=len(projection.shift))
        asked = _shortened(vectors, full.width, columns, projection)
        choices = _symmetries_to_choose_from(task)
        seen = images.embed(task.split.train, choices[0], "embed views") if choices[0] else {}
        views = _Views(choices[0], asked, _shortened(seen, full.width, columns, projection))
    symmetries, sentence = _choose_symmetries(task, choices, views)
    embedded, kind = views.of(symmetries), task.settings.head
    trained = train_head(kind, task, embedded) if kind in TRAINED_HEADS else None
    return Adapted(
        network=EmbeddingNetwork(task.backbone, plan, projection),
        embedded=embedded,
        preprocess=task.in_views(symmetries),
        decision=task.deciding(),
        candidates=tuple(
            Candidate(trial.name, trial.accuracy, trial.standard_error, trial is chosen) for trial in trials
        ),
        notes=(_explain(chosen, trials, task, plan), sentence, *((trained.sentence,) if trained else ())),
        head=trained.model if trained else None,
        refit_head=trained.refit if trained else None,
    )


def fit_projection(task: Task, plan: EmbeddingPlan) -> Projection | None:
    """The projection of all stages, as the frozen backbone sees rendered pictures; None where none is wanted."""
    if not task.dim:
        return None
    with _StageEmbeddings(task, plan) as images:
        return Projection.fit(images.rendered(), task.dim)


class _StageEmbeddings:
    """Embeddings with all stages, by torch, remembered between runs."""

    def __init__(self, task: Task, plan: EmbeddingPlan) -> None:
        space = (task.backbone.digest, canonical_json(plan.to_json()))
        preprocess, software = canonical_json(task.preprocess.to_json()), (torch.__version__, task.device.type)
        of_images = cache_path(*space, preprocess, *software) if task.use_cache else None
        of_pictures = cache_path(*space, *software) if task.use_cache else None
        self._task = task
        self._embedder = TorchEmbedder(EmbeddingNetwork(task.backbone, plan), task.device)
        self._images, self._pictures = EmbeddingCache(of_images), EmbeddingCache(of_pictures)

    def __enter__(self) -> _StageEmbeddings:
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
    if not vectors:
        return {}
    rows = np.stack(list(vectors.values()))
    views = rows.reshape(-1, width)[:, columns]
    found = views if projection is None else projection(views)
    return dict(zip(vectors, found.reshape(len(rows), -1), strict=True))


@dataclass(frozen=True)
class _Views:
    """The support in every symmetry that may be chosen.

    Attributes:
        symmetries: their names.
        asked: `[D]` of every image.
        others: `[V·D]` of each image of the support, one for each name.
    """

    symmetries: tuple[str, ...]
    asked: Vectors
    others: Vectors

    def of(self, chosen: tuple[str, ...]) -> Embedded:
        """Images as they are embedded with some of the symmetries."""
        if not chosen:
            return Embedded(self.asked, self.asked)
        kept = [self.symmetries.index(name) for name in chosen]
        rows = {digest: other.reshape(len(self.symmetries), -1)[kept].ravel() for digest, other in self.others.items()}
        taught = {digest: np.concatenate([self.asked[digest], row]) for digest, row in rows.items()}
        return Embedded(self.asked, taught, 1 + len(chosen))


def _symmetries_to_choose_from(task: Task) -> list[tuple[str, ...]]:
    """What was asked for, or what the input's shape allows and the gallery can hold, the largest set first."""
    if task.symmetries is not None:
        return [task.symmetries]
    height, width = task.preprocess.size
    every = tuple(name for name in SYMMETRIES if name)
    sets = [every, ("h", "v", "hv"), ()] if height == width else [("h", "v", "hv"), ()]
    return [one for one in sets if not one or len(task.split.train) * (1 + len(one)) <= _MOST_ROWS]


def _choose_symmetries(task: Task, choices: list[tuple[str, ...]], views: _Views) -> tuple[tuple[str, ...], str]:
    """In which symmetries an image that teaches is seen as well, and a sentence that says why.

    All of them make one image worth more, unless a turned part is of another class: then they ruin everything, and the
    support, left out, shows it.
    """
    support = choosing_support(task, of_some_classes=True)
    trials, progress = [], task.steps("choose views")
    tried = choices if len(task.dispositions) > 1 else choices[:1]
    for symmetries in tried:
        snapshot = snapshot_of(support, views.of(symmetries), task.dispositions)
        trials.append(_weighted(LdaHead(snapshot).left_out().scores, snapshot))
        progress(len(trials), len(tried))
    best = clearly_best(trials, _TOLD_BETTER)
    sentence = f"Views of an image that teaches: {1 + len(choices[best])}"
    if task.symmetries is not None:
        return choices[best], f"{sentence}, as asked for."
    if not choices[0]:
        return (), f"{sentence}: with {len(task.split.train):,} images, more are worth less than they cost."
    if best == 0:
        return choices[best], f"{sentence}; --symmetry none if a turned or mirrored part is of another class."
    more, fewer = (f"{100 * trials[number].sum():.1f} %" for number in (0, best))
    why = f"with {1 + len(choices[0])}, {more} of the support are told rightly, so {fewer}"
    return choices[best], f"{sentence}: {why}."


@dataclass(frozen=True)
class _PlanTrial:
    """One plan, judged: `weighted` `[n]` adds up to the balanced accuracy of the support left out."""

    name: str
    plan: EmbeddingPlan
    weighted: NDArray[np.float64]

    @property
    def accuracy(self) -> float:
        return float(self.weighted.sum())

    @property
    def standard_error(self) -> float:
        return standard_error(self.weighted)


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


def _try(name: str, plan: EmbeddingPlan, full: EmbeddingPlan, task: Task, vectors: Vectors) -> _PlanTrial:
    support = choosing_support(task, of_some_classes=True)
    columns = _columns(full, plan)
    narrowed = {sample.digest: vectors[sample.digest][columns] for sample in support}
    snapshot = snapshot_of(support, Embedded(narrowed, narrowed), task.dispositions)
    return _PlanTrial(name, plan, _weighted(LdaHead(snapshot).left_out().scores, snapshot))


def _weighted(scores: NDArray[np.float64], snapshot: Snapshot) -> NDArray[np.float64]:
    """What each left-out image adds to the balanced accuracy, `[n]` of those that can be judged."""
    rows = np.arange(len(scores))
    judged = np.isfinite(scores[rows, snapshot.classes])  # a class with a single part can't be left out
    return balanced_shares((scores.argmax(axis=1) == snapshot.classes)[judged], snapshot.classes[judged])


def _columns(full: EmbeddingPlan, plan: EmbeddingPlan) -> NDArray[np.int64]:
    """Columns of the full embedding that a narrowed plan keeps."""
    kept = [
        np.arange(span.start, span.stop)
        for tap, pooling, span in full.blocks
        if tap in plan.taps and pooling in plan.poolings
    ]
    return np.concatenate(kept)


def _explain(chosen: _PlanTrial, trials: list[_PlanTrial], task: Task, plan: EmbeddingPlan) -> str:
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
