"""Fine-tuning: the last stages learn the line's images, the others stay as they were pretrained.

The support is divided into folds, and each part of it is judged by a network that was tuned on the others. From that
come an honest comparison with the frozen network, and the thresholds: a network that was trained on its gallery finds
it too familiar. The network that ships is then tuned on all of it.
"""

from __future__ import annotations

import dataclasses

from edgefs.embedding.enrolments import Embedded, snapshot_of
from edgefs.embedding.network import EmbeddingNetwork, EmbeddingPlan
from edgefs.embedding.projection import Projection
from edgefs.evaluation.paired import standard_error
from edgefs.methods.embedding import embed_all
from edgefs.methods.features.method import adapt_features, fit_projection
from edgefs.methods.finetune import UNFREEZE, FinetuneSettings
from edgefs.methods.finetune.crossfitting import CrossFitted, cross_fit
from edgefs.methods.finetune.remembered import RememberedImages
from edgefs.methods.finetune.search import candidates
from edgefs.methods.finetune.tuning import Tuning
from edgefs.methods.task import Adapted, Task
from edgefs.report import Candidate
from edgefs_calibration.statistics.correction import fit_correction
from edgefs_runtime.base.wording import counted
from edgefs_runtime.decision.correction import Correction
from edgefs_runtime.decision.heads import fit_head


def adapt_finetune(task: Task) -> Adapted:
    """Tune, cross-fitted, and embed everything by the tuned network."""
    plan = EmbeddingPlan.all_stages(task.backbone, task.preprocess.size)
    options = _options(task.settings.of(FinetuneSettings), len(plan.taps))
    symmetries, told, projection = _of_the_frozen(task, plan)
    tried = candidates(options, len(plan.taps), task.seed) if options.search else [options]
    deepest = max(one.unfreeze or 0 for one in tried)
    augment = options.augment == "auto" and deepest > 0
    images = RememberedImages.of(task, plan, symmetries, len(plan.taps) - deepest, augment=augment)
    tuning = Tuning(task, plan, images, projection)
    options, fitted = _search(tuning, tried)
    depth = options.unfreeze or 0
    tuned = tuning.tune(options, range(images.taught), "tune")
    network = EmbeddingNetwork(tuned.backbone, tuning.shipped, projection)
    embedded = embed_all(task, network, symmetries)
    return Adapted(
        network=network,
        embedded=embedded,
        preprocess=task.in_views(symmetries),
        decision=task.deciding(_correction(task, embedded, fitted) if fitted and depth else None),
        candidates=_candidates(fitted),
        notes=(*told, *_notes(task, options, fitted)),
        honest=fitted.decisions if fitted else None,
        head=tuned.model(images.labels, fitted.temperature if fitted else 1.0),
    )


def _search(tuning: Tuning, tried: list[FinetuneSettings]) -> tuple[FinetuneSettings, CrossFitted | None]:
    """The options that place most of the support rightly, cross-fitted; the first of equals."""
    found = [(options, cross_fit(tuning, options)) for options in tried]
    return max(found, key=lambda one: one[1].accuracy if one[1] else 0.0)


def _of_the_frozen(task: Task, plan: EmbeddingPlan) -> tuple[tuple[str, ...], tuple[str, ...], Projection | None]:
    """Symmetries that images teach in, what was told about them, and the projection, as feature extraction has them.

    A linear layer is the textbook's, and sees what the textbook's sees.
    """
    if task.settings.head == "linear":
        return task.symmetries or (), (), None
    frozen = adapt_features(task.of_support_alone())
    return frozen.symmetries, frozen.notes[-1:], fit_projection(task, plan)


def _options(asked: FinetuneSettings, stages: int) -> FinetuneSettings:
    depth = UNFREEZE if asked.unfreeze is None else asked.unfreeze
    return dataclasses.replace(asked, unfreeze=min(depth, stages))


def _correction(task: Task, embedded: Embedded, fitted: CrossFitted) -> Correction:
    snapshot = snapshot_of(task.split.train, embedded, task.dispositions)
    head = fit_head(task.decision.head, snapshot)
    left_out = head.left_out()
    return fit_correction(
        left_out,
        left_out.of(snapshot.classes),
        fitted.gallery,
        fitted.classes,
        snapshot.labels,
        default_temperature=head.default_temperature,
    )


def _candidates(fitted: CrossFitted | None) -> tuple[Candidate, ...]:
    if fitted is None:
        return ()
    found = []
    for name, scores in (("frozen network", fitted.frozen.scores), ("fine-tuned", fitted.decided)):
        added = fitted.added(scores)
        found.append(Candidate(name, float(added.sum()), standard_error(added), name == "fine-tuned"))
    return tuple(found)


def _notes(task: Task, options: FinetuneSettings, fitted: CrossFitted | None) -> tuple[str, ...]:
    what = f"the last {counted(options.unfreeze or 0, 'stage')} and the head" if options.unfreeze else "the head alone"
    penalty = (
        f"L2-SP with λ = {options.l2sp:g}" if options.unfreeze else "L2-SP adds nothing, since no shared layer learns"
    )
    how = " (rate, depth and λ chosen by the folds)" if options.search else ""
    told = f"Fine-tuning: {what} of {task.backbone.name} learned; {penalty}{how}."
    if fitted is None:
        return (told, "Not cross-fitted: thresholds and probabilities rest on images that the network was trained on.")
    frozen, tuned = (fitted.added(scores) for scores in (fitted.frozen.scores, fitted.decided))
    gain = tuned - frozen
    verdict = (
        f"Cross-fitted on {counted(len(gain), 'image')} learned from, the frozen network places "
        f"{100 * frozen.sum():.1f} %, the fine-tuned one {100 * tuned.sum():.1f} % (balanced; difference "
        f"{100 * gain.sum():+.1f} ± {196 * standard_error(gain):.1f})."
    )
    if gain.sum() <= 0:
        verdict += " Fine-tuning gains nothing here: --method features is as good, and takes a second."
    return (told, verdict)
