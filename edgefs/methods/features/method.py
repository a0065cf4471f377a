"""Feature extraction: the backbone stays as it is, and its intermediate stages are the embedding.

min over θc of L(θc; φ(Dt), Yt): φ is frozen, only the head is computed. Which stages and poolings φ consists of is
chosen by leave-one-part-out over the support, which is exact and nearly free (`Head.left_out`); by `lda`, whatever head
will decide, since what counts as clearly better was measured with it. All stages together are
hard to beat from few images, and of two dozen choices some look better by chance: another choice must win by three
standard errors of the paired difference.
"""

from __future__ import annotations

import dataclasses

from edgefs.backbones.weights import RANDOM
from edgefs.embedding.network import EmbeddingNetwork, EmbeddingPlan
from edgefs.embedding.projection import Projection
from edgefs.methods.features.stage_embeddings import StageEmbeddings, shortened
from edgefs.methods.features.stages import PlanTrial, choose_stages, columns_of
from edgefs.methods.features.views import Views, choose_symmetries, symmetries_to_choose_from
from edgefs.methods.sklearn_classifiers import TRAINED_HEADS
from edgefs.methods.sklearn_heads import train_head
from edgefs.methods.task import Adapted, Task
from edgefs.report import Candidate
from edgefs_runtime.base.errors import WeightsError


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
    with StageEmbeddings(task, full) as images:
        everything = (*task.split.train, *task.split.validation, *task.split.test)
        vectors = images.embed(everything, ("",), "embed")
        chosen, trials = choose_stages(task, full, vectors)
        columns = columns_of(full, chosen.plan)
        plan, projection = chosen.plan, None
        if task.dim:
            projection = Projection.fit(images.rendered()[:, columns], task.dim)
            plan = dataclasses.replace(plan, projected=len(projection.shift))
        asked = shortened(vectors, full.width, columns, projection)
        choices = symmetries_to_choose_from(task)
        seen = images.embed(task.split.train, choices[0], "embed views") if choices[0] else {}
        views = Views(choices[0], asked, shortened(seen, full.width, columns, projection))
    symmetries, sentence = choose_symmetries(task, choices, views)
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
    with StageEmbeddings(task, plan) as images:
        return Projection.fit(images.rendered(), task.dim)


def _explain(chosen: PlanTrial, trials: list[PlanTrial], task: Task, plan: EmbeddingPlan) -> str:
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
