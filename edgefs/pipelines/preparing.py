"""Preparing turns what `adapt` was told into the task that a method is given, and the data as it was read."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from edgefs.backbones import Backbone, default_backbone, load_backbone
from edgefs.data import Dataset, Split, load_dataset, split_dataset, with_blank
from edgefs.data.dispositions import dispositions_of
from edgefs.data.domains import TwoDomains
from edgefs.data.windows import window_note
from edgefs.embedding.network import EmbeddingPlan
from edgefs.embedding.rendered import Rendering
from edgefs.embedding.torch_embedder import choose_device
from edgefs.methods import METHODS, settings_by_method
from edgefs.methods.features.stage_embeddings import pictures_cache
from edgefs.methods.sklearn_classifiers import TRAINED_HEADS
from edgefs.methods.sklearn_heads import check_classes
from edgefs.methods.task import Task
from edgefs.pipelines.checking import head_of
from edgefs.progress import Steps
from edgefs.settings.adapt import AdaptSettings
from edgefs.settings.frame import preprocess_by
from edgefs.training import Checkpoints
from edgefs_runtime.decision.decision import Disposition
from edgefs_runtime.decision.heads import HEADS
from edgefs_runtime.decision.settings import DecisionSettings
from edgefs_runtime.images.preprocess import Preprocess

_FALLBACK = "blend"


def prepare_task(
    data: Path,
    out: Path,
    settings: AdaptSettings,
    rendering: Rendering,
    steps: Steps,
    tell: Callable[[str], None],
) -> tuple[Task, Dataset]:
    """Read everything that a method needs: what can fail in a second first, then the images.

    Args:
        data: folder or CSV file.
        out: place of the RUN; checkpoints of a training lie beside it.
        settings: what `adapt` is told; `AdaptSettings` explains each.
        rendering: is begun.
        steps: told how the work goes on.
        tell: given one sentence for each thing that was decided.

    Raises:
        DataError: the images can't be learned from.
        WeightsError: the backbone can't be had, or not used here.
    """
    decision = DecisionSettings(
        {"kind": _gallery_head(settings)}, settings.budget, settings.unknown, settings.overkill, settings.escape_cost
    )
    device = choose_device(settings.device)
    backbone = _backbone(settings, tell)
    preprocess = _preprocess(settings, backbone)
    if settings.dim and METHODS[settings.method].projects:
        _begin(rendering, backbone, preprocess, device, use_cache=settings.use_cache)
    dataset, split, domains, dispositions = _read(data, settings, preprocess, steps)
    preprocess = dataclasses.replace(preprocess, window=dataset.window or preprocess.window)
    strangers = {label: d for label, d in dispositions.items() if settings.good_only and d == "defect"}
    if settings.head in TRAINED_HEADS:
        check_classes(str(settings.head), sorted(dispositions.keys() - strangers.keys()))
    if window := window_note(dataset.samples, preprocess.window) if settings.window is None else "":
        dataset = dataclasses.replace(dataset, notes=(*dataset.notes, window))
    for note in (*dataset.notes, *split.notes):
        tell(note)
    task = Task(
        backbone=backbone,
        preprocess=preprocess,
        split=split,
        dispositions={label: d for label, d in dispositions.items() if label not in strangers},
        strangers=strangers,
        decision=decision,
        dim=settings.dim,
        symmetries=settings.symmetries,
        device=device,
        seed=settings.seed,
        use_cache=settings.use_cache,
        steps=steps,
        settings=settings,
        checkpoints=Checkpoints.beside(out, _origin(settings, backbone, preprocess, dataset)),
        rendering=rendering,
        domains=domains,
    )
    return task, dataset


def _begin(
    rendering: Rendering, backbone: Backbone, preprocess: Preprocess, device: torch.device, *, use_cache: bool
) -> None:
    """Begin to render pictures: the other processors have nothing to do while images are read."""
    plan = EmbeddingPlan.all_stages(backbone, preprocess.size)
    with contextlib.closing(pictures_cache(backbone, plan, device, use_cache=use_cache)) as cache:
        rendering.begin(preprocess.size, cache, plan.dim)


def _read(
    data: Path, settings: AdaptSettings, preprocess: Preprocess, steps: Steps
) -> tuple[Dataset, Split, TwoDomains | None, dict[str, Disposition]]:
    """The images, divided, and what the line does with each class."""
    read = METHODS[settings.method].read
    if read is not None:
        dataset, split, domains = read(data, settings, preprocess, steps)
        return dataset, split, domains, dispositions_of(dataset.classes, settings.ok)
    dataset = load_dataset(
        data,
        group_from=settings.group_from,
        ok=settings.ok,
        without=settings.without,
        leave_out_blank=True,
        preprocess=preprocess,
        choose_window=settings.window is None,
        progress=steps("read images"),
    )
    dispositions = dispositions_of(dataset.classes, settings.ok)
    strangers = [label for label, d in dispositions.items() if settings.good_only and d == "defect"]
    split = split_dataset(dataset, shots=settings.shots, seed=settings.seed, strangers=strangers)
    return dataset, with_blank(split, dataset.blank, settings.seed, strangers), None, dispositions


def _gallery_head(settings: AdaptSettings) -> str:
    """The head that is computed from the gallery: what was asked for, or what stands in for one that is trained."""
    head = head_of(settings)
    return head if head in HEADS and head not in METHODS[settings.method].trained_heads else _FALLBACK


def _origin(settings: AdaptSettings, backbone: Backbone, preprocess: Preprocess, dataset: Dataset) -> dict[str, Any]:
    """Everything that a training depends on: one that differs in any of it must not be taken up."""
    return {
        "settings": settings.to_json(settings_by_method()),
        "backbone": backbone.digest,
        "preprocess": preprocess.to_json(),
        "data": dataset.digest,
    }


def _backbone(settings: AdaptSettings, tell: Callable[[str], None]) -> Backbone:
    if settings.backbone is None and settings.weights is None:
        backbone, sentence = default_backbone()
        tell(sentence)
        return backbone
    backbone = load_backbone(settings.backbone or "mobilenet_v2", settings.weights)
    tell(f"Backbone: {backbone.name}, {backbone.origin}.")
    return backbone


def _preprocess(settings: AdaptSettings, backbone: Backbone) -> Preprocess:
    size, symmetries = settings.size or (backbone.size, backbone.size), settings.symmetries or ()
    preprocess = preprocess_by(vars(settings), size=size, resize=settings.resize, symmetries=symmetries)
    return dataclasses.replace(preprocess, symmetries=())  # the method chooses them
