"""Which way of transfer learning fits these images: asked of the images themselves.

Every way is cross-validated on the same folds of the support, so that two of them are compared image by image. The
first, feature extraction with `blend`, costs seconds and is hard to beat from few images; another must be better by
half a standard error of the paired difference. What has no time left in the budget is left out, and said.
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgefs.data import folds
from edgefs.embedding.network import EmbeddingNetwork, EmbeddingPlan
from edgefs.embedding.torch_embedder import TorchEmbedder
from edgefs.evaluation.paired import balanced_shares, clearly_best, standard_error
from edgefs.methods.cross_validation import cross_validated
from edgefs.methods.features import adapt_features
from edgefs.methods.finetune.bank import VARIANTS
from edgefs.methods.finetune.method import adapt_finetune
from edgefs.methods.sklearn_heads import train_head
from edgefs.methods.task import Adapted, Task
from edgefs.report import Candidate
from edgefs.settings.choices import TRAINED_HEADS
from edgefs_runtime.base.wording import counted

MINUTES = 20.0  # of the budget, where nothing is said
_FOLDS = 3  # those of fine-tuning, so that every way answers for the same images
_BETTER = 0.5  # standard errors
_CLEARLY = 1.5  # for a head that is given up when the device first learns something, and of which three are tried
_FITS = {
    "features": "Feature extraction fits where the line's images differ from what the network was trained on, or where "
    "there are few of them.",
    "finetune": "Fine-tuning fits where they are similar and there are more of them: the last stages learn the line.",
}
_OTHERS = (
    "Not compared, since they need other images: --method domain --source DIR, where a shifted set has the labels, and "
    "--method meta --tasks DIR, where there are many sets to learn from."
)


@dataclass(frozen=True)
class _Way:
    """One way, with what it says of the support.

    Attributes:
        name: method and head.
        method: a key of `METHODS`.
        adapted: what ships if it is chosen.
        weighted: `[n]`, what each image adds to the balanced accuracy, cross-validated; in the order of the support.
        seconds: it took.
    """

    name: str
    method: str
    adapted: Adapted
    weighted: NDArray[np.float64]
    seconds: float

    @property
    def accuracy(self) -> float:
        return float(self.weighted.sum())

    @property
    def error(self) -> float:
        return standard_error(self.weighted)


def adapt_auto(task: Task) -> Adapted:
    """Try the ways that the budget allows, and take the best."""
    limit = 60 * (task.settings.time_budget or MINUTES)
    began = time.monotonic()
    ways: list[_Way] = []
    skipped: tuple[str, ...] = ()
    for way in _features(task):
        ways.append(way)
        if time.monotonic() - began > limit:
            break
    left = limit - (time.monotonic() - began)
    needed = _seconds_of_finetuning(task, 1 + len(ways[0].adapted.symmetries))
    if not _can_be_compared(task):
        skipped = ("Only feature extraction was tried: no class has two parts, so nothing can be compared.",)
    elif needed < left:
        ways.append(_finetune(task))
    else:
        skipped = (
            f"Fine-tuning was not tried: it takes about {needed / 60:.0f} minutes, and {max(0.0, left) / 60:.0f} are "
            "left of --time-budget.",
        )
    chosen = _choose(ways)
    return dataclasses.replace(
        chosen.adapted,
        method=chosen.method,
        candidates=tuple(Candidate(way.name, way.accuracy, way.error, way is chosen) for way in ways),
        notes=(_explain(chosen, ways), _FITS[chosen.method], *skipped, _OTHERS, *chosen.adapted.notes),
    )


def _choose(ways: list[_Way]) -> _Way:
    """The best whose head follows the gallery, unless a trained head is clearly better than that."""
    taught = [way for way in ways if way.adapted.head is None]
    best = taught[clearly_best([way.weighted for way in taught], _BETTER)]
    either = [best, *(way for way in ways if way.adapted.head is not None)]
    return either[clearly_best([way.weighted for way in either], _CLEARLY)]


def _features(task: Task) -> Iterator[_Way]:
    """Feature extraction with each head, the embedding made once."""
    began = time.monotonic()
    base = dataclasses.replace(task, settings=dataclasses.replace(task.settings, method="features", head="blend"))
    first = adapt_features(base)
    yield _way("features", "blend", task, first, began)
    if len(task.dispositions) < 2:
        return
    for head in ("lda", "linear", "prototype"):
        began = time.monotonic()
        other = dataclasses.replace(first, decision=task.deciding(head={"kind": head}))
        yield _way("features", head, task, other, began)
    for head in TRAINED_HEADS if _can_be_compared(task) else ():
        began = time.monotonic()
        trained = train_head(head, base, first.embedded)
        adapted = dataclasses.replace(
            first, head=trained.model, refit_head=trained.refit, notes=(*first.notes, trained.sentence)
        )
        yield _way("features", head, task, adapted, began)


def _finetune(task: Task) -> _Way:
    began = time.monotonic()
    settings = dataclasses.replace(
        task.settings,
        method="finetune",
        head=None,
        finetune=dataclasses.replace(task.settings.finetune, folds=_FOLDS),
    )
    return _way("finetune", "cosine", task, adapt_finetune(dataclasses.replace(task, settings=settings)), began)


def _way(method: str, head: str, task: Task, adapted: Adapted, began: float) -> _Way:
    name = f"{method} + {head}" if method == "features" else method
    return _Way(name, method, adapted, _weighted(task, adapted), time.monotonic() - began)


def _weighted(task: Task, adapted: Adapted) -> NDArray[np.float64]:
    """What each image of the folds adds to the balanced accuracy, in the order of the support."""
    answers = cross_validated(task, adapted, _FOLDS)
    right = {sample.digest: answer.nearest == sample.label for sample, answer in answers}
    judged = [sample for sample in task.split.train if sample.digest in right]
    labels = sorted(task.dispositions)
    classes = np.array([labels.index(sample.label) for sample in judged], np.int64)
    return balanced_shares(np.array([right[sample.digest] for sample in judged], bool), classes)


def _can_be_compared(task: Task) -> bool:
    return len(task.dispositions) > 1 and bool(folds(task.split.train, _FOLDS, task.seed))


def _seconds_of_finetuning(task: Task, views: int) -> float:
    """A guess: most of it is the frozen part looking at every view of every image."""
    plan = EmbeddingPlan.all_stages(task.backbone, task.preprocess.size)
    embedder = TorchEmbedder(EmbeddingNetwork(task.backbone, plan), task.device)
    picture = np.zeros((4, *task.preprocess.size, 3), np.uint8)
    embedder.embed(picture)
    began = time.monotonic()
    embedder.embed(picture)
    of_one = (time.monotonic() - began) / len(picture)
    return 2 * of_one * len(task.split.train) * views * VARIANTS


def _explain(chosen: _Way, ways: list[_Way]) -> str:
    """`features + blend: 96.1 ± 0.8 %; finetune: 95.0 ± 1.4 % at 40 times the time`."""
    first = ways[0]
    told = []
    for way in ways:
        times = way.seconds / max(first.seconds, 1e-9)
        cost = f" at {times:.0f} times the time" if times >= 2 else ""
        told.append(f"{way.name}: {100 * way.accuracy:.1f} ± {196 * way.error:.1f} %{cost}")
    if not len(first.weighted):
        return f"Chosen: {chosen.name}; there was nothing to compare on."
    why = "no other is clearly better" if chosen is first else "it is the best"
    n = counted(len(first.weighted), "image")
    return f"Chosen: {chosen.name}; {why} on the {n} learned from, cross-validated. {'; '.join(told)}."
