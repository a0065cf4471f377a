"""What a RUN says of an `adapt`: how it was made, and on which images."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from edgefs.backbones import Backbone
from edgefs.data import Dataset, Sample
from edgefs.data.samples import relative_name
from edgefs.methods import settings_by_method
from edgefs.methods.task import Adapted, Task
from edgefs.runs.parts import BackboneRecord, DataRecord, ImageRecord, LeftOutRecord, SidesRecord
from edgefs.runs.record import AdaptedRecord
from edgefs.runs.versions import versions


def adapted_record(
    name: str, data: Path, dataset: Dataset, task: Task, adapted: Adapted, succeeds: str
) -> AdaptedRecord:
    """The record of a RUN that is not written yet.

    Args:
        name: of the model.
        data: as it was given on the command line.
        dataset: what was read there.
        task: what was adapted to.
        adapted: what the method found.
        succeeds: identity of the model whose successor this one is; empty where it is none.
    """
    split, root = task.split, dataset.root
    return AdaptedRecord(
        name=name,
        method=adapted.method or task.settings.method,
        backbone=_backbone(task.backbone),
        plan=adapted.network.plan.to_json(),
        preprocess=adapted.preprocess,
        decision=adapted.decision,
        trained_head=adapted.head.to_json() if adapted.head else None,
        labels=task.dispositions,
        strangers=task.strangers,
        data=DataRecord(str(data), dataset.digest, str(root.resolve()), dataset.layout),
        images=SidesRecord(*(_images(side, root) for side in (split.train, split.validation, split.test))),
        no_decision=SidesRecord(
            *(_images(side, root) for side in (split.blank_train, split.blank_validation, split.blank_test))
        ),
        left_out=tuple(LeftOutRecord(relative_name(item.path, root), item.reason) for item in dataset.left_out),
        notes=(*dataset.notes, *split.notes, *adapted.notes),
        settings=task.settings.to_json(settings_by_method()),
        seed=task.seed,
        versions=versions(),
        succeeds=succeeds,
    )


def _backbone(backbone: Backbone) -> BackboneRecord:
    return BackboneRecord(backbone.name, backbone.origin, backbone.digest, backbone.size, backbone.mean, backbone.std)


def _images(samples: Sequence[Sample], root: Path) -> tuple[ImageRecord, ...]:
    return tuple(
        ImageRecord(relative_name(sample.path, root), sample.label, sample.digest, sample.group, sample.blank)
        for sample in samples
    )
