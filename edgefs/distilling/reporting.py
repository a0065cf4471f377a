"""What a distillation gave: figures, `run.json` and the report."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from torch import nn

from edgefs.backbones.weights import state_digest
from edgefs.distilling.preparing import Given
from edgefs.report import Report, TrainingPoint
from edgefs.runs.parts import BackboneRecord, DataRecord, TeacherRecord
from edgefs.runs.record import DISTILLED, DistilledRecord
from edgefs.runs.versions import versions
from edgefs.settings.distill import DistillSettings
from edgefs.training import History
from edgefs_runtime.base.version import __version__
from edgefs_runtime.base.wording import counted


@dataclass(frozen=True)
class Distilled:
    """What a distillation gave, on pictures that were never drawn; every figure is a share, 0 to 1.

    Attributes:
        before: of the teacher's variance, what is missed at the start: of each stage's maps, of the `embedding`, and of
            the `relation` (one less the alignment of the two embeddings).
        after: the same of the student that was kept.
        history: of the training.
        notes: what it began with, in sentences.
    """

    before: Mapping[str, float]
    after: Mapping[str, float]
    history: History
    notes: tuple[str, ...]

    @property
    def sentence(self) -> str:
        """The outcome."""
        before, after = self.before, self.after
        kept = " The student stays as it came: no epoch was better." if self.history.best == 0 else ""
        return (
            f"On pictures held out the student explains {100 * (1 - after['embedding']):.1f} % of the variance of the "
            f"teacher's embedding; alignment of the two {1 - after['relation']:.3f}, at the start "
            f"{1 - before['relation']:.3f} (centred kernel alignment, 1 at best).{kept}"
        )

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values."""
        epochs = [dataclasses.asdict(epoch) for epoch in self.history.epochs]
        return {"before": dict(self.before), "after": dict(self.after), "epochs": epochs, "best": self.history.best}


def distilled_record(
    name: str,
    archive: Path | None,
    settings: DistillSettings,
    given: Given,
    student: nn.Module,
    distilled: Distilled,
) -> DistilledRecord:
    """What the RUN says of itself."""
    teacher, backbone = given.teacher, given.student
    origin = f"distilled from {teacher.name} ({name})"
    return DistilledRecord(
        name=name,
        method=DISTILLED,
        backbone=BackboneRecord(
            backbone.name, origin, state_digest(student), backbone.size, backbone.mean, backbone.std
        ),
        teacher=TeacherRecord(teacher.name, teacher.origin, teacher.digest),
        data=DataRecord(str(archive) if archive else "rendered", given.digest),
        notes=(*distilled.notes, distilled.sentence),
        settings=dataclasses.asdict(settings),
        seed=settings.seed,
        versions=versions(),
    )


def distill_report(
    name: str, settings: DistillSettings, record: DistilledRecord, distilled: Distilled, seconds: float
) -> Report:
    """The page for people."""
    shown = {
        "teacher": f"{record.teacher.name} ({record.teacher.origin})",
        "student": f"{settings.student}, {settings.size} x {settings.size} pixels",
        "pictures": record.data.given,
        "of an epoch": f"at most {counted(settings.pictures, 'picture')}, {counted(settings.views, 'view')} of each",
        "epochs": str(settings.epochs),
        "learning rate": f"{settings.lr:g}",
        "batch": str(settings.batch),
        "seed": str(settings.seed),
        **{f"missed of {_plain(part)}": f"{100 * share:.1f} %" for part, share in distilled.after.items()},
    }
    points = tuple(
        TrainingPoint(epoch.number, epoch.validation)
        for epoch in distilled.history.epochs
        if epoch.validation is not None
    )
    return Report(
        title=name,
        summary=distilled.sentence,
        notes=distilled.notes,
        settings=tuple(shown.items()),
        training=points,
        trained_for="Share of the variance of the teacher's embedding that the student explains",
        timings=(("everything", seconds),),
        created=datetime.now(timezone.utc).strftime("%Y-%m-%d %H:%M UTC"),
        version=__version__,
    )


def _plain(part: str) -> str:
    """A stage's name as people know it: `maps of block 4`."""
    return f"the maps of block {part.split('.')[1]}" if part.startswith("features.") else f"the {part}"
