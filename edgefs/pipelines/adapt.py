"""`edgefs adapt`: from a folder of images to a RUN, by one of the methods.

The order is that of a careful engineer: read and check the data, divide it, look at the backbone, adapt on what may be
learned from, measure on what may not, write it all down.
"""

from __future__ import annotations

import dataclasses
import json
import time
from collections.abc import Callable
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from safetensors.torch import save
from torch import nn

from edgefs.backbones import Backbone, default_backbone, load_backbone
from edgefs.data import Dataset, Sample, Split, load_dataset, split_dataset, with_blank
from edgefs.data.dispositions import dispositions_of
from edgefs.data.domains import TwoDomains, load_domains
from edgefs.data.layouts.folders import TABLE_SUFFIXES
from edgefs.data.samples import relative_name
from edgefs.data.windows import window_note
from edgefs.embedding.enrolments import enrolments_of
from edgefs.embedding.torch_embedder import choose_device
from edgefs.methods import METHODS, Adapted, Task
from edgefs.methods.sklearn_heads import check_classes
from edgefs.pipelines.checking import check_adapt, head_of
from edgefs.pipelines.measure import Measured, adapt_report, measure
from edgefs.progress import Steps, silent
from edgefs.report import Report, render_report
from edgefs.runs.run import (
    GALLERY,
    GALLERY_WEIGHTS,
    HEAD,
    METRICS,
    REPORT,
    WEIGHTS,
    Run,
    name_from,
    write_run,
)
from edgefs.runs.succession import predecessor
from edgefs.runs.versions import versions
from edgefs.settings.adapt import AdaptSettings
from edgefs.settings.choices import TRAINED_HEADS
from edgefs.training import Checkpoints, is_lead
from edgefs_runtime.base.errors import BundleError, EdgefsError
from edgefs_runtime.base.version import __version__
from edgefs_runtime.bundle.seed import pack_gallery
from edgefs_runtime.decision.decision import Disposition
from edgefs_runtime.decision.heads import HEADS
from edgefs_runtime.decision.judge import DecisionSettings
from edgefs_runtime.images.preprocess import AS_THE_FILE_SAYS, Preprocess

_FALLBACK = "blend"


def adapt(
    data: Path,
    out: Path,
    settings: AdaptSettings,
    *,
    overwrite: bool = False,
    steps: Steps = silent,
    tell: Callable[[str], None] = lambda _: None,
) -> tuple[Run, Measured]:
    """Adapt to the images of a folder and write a RUN.

    Args:
        data: folder or CSV file.
        out: place of the RUN.
        settings: see there.
        overwrite: replace a RUN that stands at `out`.
        steps: told how the work goes on.
        tell: given one sentence for each thing that was decided.

    Raises:
        DataError: the images can't be learned from.
        WeightsError: the backbone can't be had, or not used here.
        RunError: the place is taken, or can't be written.
    """
    began = time.monotonic()
    check_adapt(data, out, settings, overwrite=overwrite)
    name = settings.name or _name_from(data)
    succeeds = predecessor(Path(settings.succeeds)) if settings.succeeds else ""
    task, dataset = _prepare(data, out, settings, steps, tell)
    adapted = METHODS[settings.method](task)
    for note in adapted.notes:
        tell(note)
    measured = measure(task, adapted, dataset)
    writing = steps("write the RUN")
    report = dataclasses.replace(
        adapt_report(name, settings, dataset, task, adapted, measured),
        timings=(("everything", time.monotonic() - began),),
        created=datetime.now(timezone.utc).strftime("%Y-%m-%d %H:%M UTC"),
        version=__version__,
    )
    fields = {
        **_fields(name, data, settings, dataset, task, adapted),
        **({"succeeds": succeeds} if succeeds else {}),
    }
    if not is_lead():  # of several processes that train together one writes
        return Run(out, fields), measured
    run = write_run(out, fields, _files(task, adapted, measured, report), overwrite=overwrite)
    task.checkpoints.clear()
    writing(1, 1)
    return run, measured


def _prepare(
    data: Path, out: Path, settings: AdaptSettings, steps: Steps, tell: Callable[[str], None]
) -> tuple[Task, Dataset]:
    """What can fail in a second first, then the images."""
    decision = DecisionSettings(
        {"kind": _gallery_head(settings)}, settings.budget, settings.unknown, settings.overkill, settings.escape_cost
    )
    device = choose_device(settings.device)
    backbone = _backbone(settings, tell)
    preprocess = _preprocess(settings, backbone)
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
        domains=domains,
    )
    return task, dataset


def _read(
    data: Path, settings: AdaptSettings, preprocess: Preprocess, steps: Steps
) -> tuple[Dataset, Split, TwoDomains | None, dict[str, Disposition]]:
    """The images, divided, and what the line does with each class."""
    if settings.method == "domain":
        dataset, split, domains = load_domains(data, settings, preprocess, steps)
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
    return head if head in HEADS and settings.method != "finetune" else _FALLBACK


def _origin(settings: AdaptSettings, backbone: Backbone, preprocess: Preprocess, dataset: Dataset) -> dict[str, Any]:
    """Everything that a training depends on: one that differs in any of it must not be taken up."""
    return {
        "settings": dataclasses.asdict(settings),
        "backbone": backbone.digest,
        "preprocess": preprocess.to_json(),
        "data": dataset.digest,
    }


def _name_from(data: Path) -> str:
    """The folder's name where it can be a model's, else `model`."""
    return name_from((data.resolve().parent if data.suffix.lower() in TABLE_SUFFIXES else data.resolve()).name, "model")


def _backbone(settings: AdaptSettings, tell: Callable[[str], None]) -> Backbone:
    if settings.backbone is None and settings.weights is None:
        backbone, sentence = default_backbone()
        tell(sentence)
        return backbone
    backbone = load_backbone(settings.backbone or "mobilenet_v2", settings.weights)
    tell(f"Backbone: {backbone.name}, {backbone.origin}.")
    return backbone


def _preprocess(settings: AdaptSettings, backbone: Backbone) -> Preprocess:
    try:
        preprocess = Preprocess(
            size=settings.size or (backbone.size, backbone.size),
            roi=settings.roi,
            rotation=settings.rotation,
            channels=settings.channels,
            window=settings.window or AS_THE_FILE_SAYS,
            page=settings.page,
            damaged=settings.damaged,
            resize=settings.resize,
            symmetries=settings.symmetries or (),
        )
    except BundleError as error:
        raise EdgefsError(str(error)) from error
    return dataclasses.replace(preprocess, symmetries=())  # the method chooses them


def _files(task: Task, adapted: Adapted, measured: Measured, report: Report) -> dict[str, bytes]:
    """The content of the RUN's other files, by their names."""
    networks = {WEIGHTS: adapted.network, GALLERY_WEIGHTS: adapted.gallery}
    return {
        **{name: _weights(network) for name, network in networks.items() if network is not None},
        GALLERY: pack_gallery(enrolments_of(task.split.train, adapted.embedded, task.dispositions)),
        METRICS: json.dumps(measured.to_json(), indent=1, ensure_ascii=False).encode(),
        REPORT: render_report(report).encode(),
        **({HEAD: adapted.head.onnx} if adapted.head else {}),
    }


def _weights(network: nn.Module) -> bytes:
    return save({key: value.contiguous() for key, value in network.cpu().state_dict().items()})


def _fields(
    name: str, data: Path, settings: AdaptSettings, dataset: Dataset, task: Task, adapted: Adapted
) -> dict[str, Any]:
    """The content of `run.json`."""
    backbone = task.backbone
    split = task.split
    sides = {"train": split.train, "validation": split.validation, "test": split.test}
    blank = {"train": split.blank_train, "validation": split.blank_validation, "test": split.blank_test}
    return {
        "name": name,
        "method": adapted.method or settings.method,
        "backbone": {
            "name": backbone.name,
            "origin": backbone.origin,
            "digest": backbone.digest,
            "size": backbone.size,
            "mean": list(backbone.mean),
            "std": list(backbone.std),
        },
        "plan": adapted.network.plan.to_json(),
        "preprocess": task.preprocess.to_json(),
        "head": adapted.head.to_json() if adapted.head else dict(task.decision.head),
        "fallback_head": dict(task.decision.head),
        "decision": task.decision.to_json(),
        "labels": [{"label": label, "disposition": disposition} for label, disposition in task.dispositions.items()],
        "strangers": [{"label": label, "disposition": disposition} for label, disposition in task.strangers.items()],
        "data": {
            "given": str(data),
            "root": str(dataset.root.resolve()),
            "digest": dataset.digest,
            "layout": dataset.layout,
        },
        "images": {side: [_image(sample, dataset.root) for sample in samples] for side, samples in sides.items()},
        "no_decision": {side: [_image(sample, dataset.root) for sample in samples] for side, samples in blank.items()},
        "left_out": [
            {"path": relative_name(item.path, dataset.root), "reason": item.reason} for item in dataset.left_out
        ],
        "notes": [*dataset.notes, *task.split.notes, *adapted.notes],
        "settings": dataclasses.asdict(settings),
        "seed": settings.seed,
        "versions": versions(),
    }


def _image(sample: Sample, root: Path) -> dict[str, str]:
    described = {"path": relative_name(sample.path, root), "label": sample.label, "sha256": sample.digest}
    optional = {"group": sample.group, "reason": sample.blank}
    return {**described, **{key: value for key, value in optional.items() if value}}
