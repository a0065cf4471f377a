"""`edgefs distill`: from unlabelled images and a large network to a small one that `adapt` takes as its backbone."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save
from torch import nn

from edgefs.backbones import Backbone, load_backbone
from edgefs.backbones.nano import load_nano
from edgefs.backbones.students import untrained_student
from edgefs.backbones.weights import state_digest
from edgefs.data.reading import read_unlabelled
from edgefs.data.wording import counted
from edgefs.distilling.objective import Distillation
from edgefs.distilling.pictures import Archive, Pictures, Rendered
from edgefs.distilling.pupil import Pupil
from edgefs.distilling.settings import DistillSettings
from edgefs.distilling.teacher import Teacher, levels_of
from edgefs.embedding import EmbeddingNetwork, EmbeddingPlan, stages_of
from edgefs.progress import Steps, silent
from edgefs.report import Report, TrainingPoint, render_report
from edgefs.runs import DISTILLED, METRICS, REPORT, STUDENT, Run, check_place, write_run
from edgefs.torch_embedder import choose_device
from edgefs.training import Checkpoints, History, TrainingSettings, is_lead, make_fabric, train
from edgefs.versions import versions
from edgefs_runtime.errors import DataError, WeightsError
from edgefs_runtime.images import find_images
from edgefs_runtime.manifest import check_name
from edgefs_runtime.preprocess import Preprocess
from edgefs_runtime.version import __version__

_RENDERED_SIDE = 192  # pixels of a rendered picture, before views are cut out of it
_ARCHIVE_SIDE = 256  # the same of an image of an archive
_FEWEST = 32  # images of an archive
_DECAY = 0.02
_CLIP = 5.0


@dataclass(frozen=True)
class Distilled:
    """What a distillation gave, on pictures that were never drawn; every figure is a share, 0 to 1.

    Attributes:
        before: of the teacher's variance, what is missed at the start: of each stage's maps, of the `embedding`, and of
            the `relation` (one less the alignment of the two embeddings).
        after: the same of the student that was kept.
        history: of the training.
        notes: what was done, in sentences.
    """

    before: Mapping[str, float]
    after: Mapping[str, float]
    history: History
    notes: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values."""
        epochs = [dataclasses.asdict(epoch) for epoch in self.history.epochs]
        return {"before": dict(self.before), "after": dict(self.after), "epochs": epochs, "best": self.history.best}


def distill(
    archive: Path | None,
    out: Path,
    settings: DistillSettings,
    *,
    overwrite: bool = False,
    steps: Steps = silent,
    tell: Callable[[str], None] = lambda _: None,
) -> tuple[Run, Distilled]:
    """Teach a small network what a large one sees, and write a RUN that `adapt` takes as `--backbone`.

    Args:
        archive: folder of images, labelled or not; None renders them.
        out: place of the RUN.
        settings: see there.
        overwrite: replace a RUN that stands at `out`.
        steps: told how the work goes on.
        tell: given one sentence for each thing that was decided.

    Raises:
        DataError: the archive holds too few images.
        WeightsError: teacher or student can't be had, or not at this size.
        RunError: the place is taken, or can't be written.
        TrainingError: the loss is no number any more.
    """
    began = time.monotonic()
    check_place(out, overwrite=overwrite)
    name = settings.name or _usable(out.resolve().name)
    check_name(name)
    device = choose_device(settings.device)
    given = _given(archive, settings, steps)
    for note in given.notes:
        tell(note)
    checkpoints = Checkpoints.beside(out, given.origin(settings))
    distilled, student = _train(given, settings, device, checkpoints, steps)
    tell(distilled.notes[-1])
    fields = _fields(name, archive, settings, given, student, distilled)
    report = _report(name, settings, fields, distilled, time.monotonic() - began)
    files = {
        STUDENT: save({key: value.contiguous() for key, value in student.state_dict().items()}),
        METRICS: json.dumps(distilled.to_json(), indent=1).encode(),
        REPORT: render_report(report).encode(),
    }
    if not is_lead():  # of several processes that train together one writes
        return Run(out, fields), distilled
    run = write_run(out, fields, files, overwrite=overwrite)
    checkpoints.clear()
    return run, distilled


@dataclass(frozen=True)
class _Given:
    """What a distillation begins with.

    Attributes:
        teacher: the large network.
        student: the small one.
        pictures: what both look at.
        digest: of the pictures' source.
        notes: all of it in sentences.
    """

    teacher: Backbone
    student: Backbone
    pictures: Pictures
    digest: str
    notes: tuple[str, ...]

    def origin(self, settings: DistillSettings) -> dict[str, Any]:
        """Everything that the training depends on: one that differs in any of it must not be taken up."""
        told = json.loads(json.dumps(dataclasses.asdict(settings)))
        return {
            "settings": {key: value for key, value in told.items() if key not in ("workers", "name")},
            "teacher": self.teacher.digest,
            "student": self.student.digest,
            "data": self.digest,
            "versions": {key: value for key, value in versions().items() if key in ("edgefs", "torch", "torchvision")},
        }


def _given(archive: Path | None, settings: DistillSettings, steps: Steps) -> _Given:
    if settings.size % 32:
        raise WeightsError(f"--size {settings.size}: a student takes a multiple of 32 pixels")
    if archive is not None and not archive.is_dir():
        raise DataError(f"{archive}: no such folder; pass one of images, in any folders below it")
    student = _student(settings, rendered=archive is None)
    teacher = load_backbone(settings.teacher, settings.teacher_weights)
    if not teacher.trained and settings.teacher_weights is None:
        raise WeightsError(f"--teacher {teacher.name} has random values and knows nothing; pass --teacher-weights FILE")
    stages_of(teacher, (settings.teacher_size or teacher.size,) * 2)  # before an hour of reading images
    pictures, digest, about = _pictures(archive, settings, steps)
    notes = (
        f"Teacher: {teacher.name}, {teacher.origin}, at {settings.teacher_size or teacher.size} pixels.",
        f"Student: {student.name} at {settings.size} pixels, from {student.origin}.",
        about,
    )
    return _Given(teacher, student, pictures, digest, notes)


def _student(settings: DistillSettings, *, rendered: bool) -> Backbone:
    """The network that learns."""
    packaged = settings.student == "nano"
    start = settings.start or ("packaged" if packaged and not rendered else "random")
    if start == "packaged" and not packaged:
        raise WeightsError(f"--start packaged: of {settings.student} there are no packaged weights, only of nano")
    network = load_nano() if start == "packaged" else untrained_student(settings.student, settings.seed)
    phrase = "nano's packaged weights" if start == "packaged" else "random values"
    return Backbone(settings.student, network, settings.size, phrase, state_digest(network))


def _pictures(archive: Path | None, settings: DistillSettings, steps: Steps) -> tuple[Pictures, str, str]:
    """The source of pictures, its digest, and a sentence about it."""
    drawn = f"{settings.epochs} epochs, {counted(settings.views, 'view')} of each"
    if archive is None:
        rendered = Rendered(settings.pictures, _RENDERED_SIDE, settings.seed, settings.workers)
        return rendered, "rendered", f"Pictures: {settings.pictures:,} rendered anew in each of {drawn}."
    progress = steps("read images")
    samples, left_out = read_unlabelled(find_images(archive), archive, _FEWEST, "to learn from", progress)
    preprocess = Preprocess(
        size=(_ARCHIVE_SIDE, _ARCHIVE_SIDE),
        roi=settings.roi,
        rotation=settings.rotation,
        channels=settings.channels,
        window=settings.window,
    )
    once = list({sample.digest: sample for sample in samples}.values())
    pictures = Archive(once, settings.pictures, preprocess, settings.seed)
    gone = f"; {counted(len(left_out), 'file')} left out" if left_out else ""
    digest = _digest_of(sorted(sample.digest for sample in once))
    return pictures, digest, f"Pictures: {len(once):,} images{gone}, {pictures.count:,} in each of {drawn}."


def _train(
    given: _Given, settings: DistillSettings, device: torch.device, checkpoints: Checkpoints, steps: Steps
) -> tuple[Distilled, nn.Module]:
    """The figures, and the student as it is then, on the CPU."""
    student, size = given.student, settings.teacher_size or given.teacher.size
    plan = EmbeddingPlan.all_stages(student, (settings.size, settings.size))
    levels = levels_of(given.teacher, size, stages_of(student, plan.size), settings.size)
    fabric = make_fabric(device, settings.devices, settings.precision)
    torch.manual_seed(settings.seed)
    teacher = Teacher(given.teacher, levels, size).to(fabric.device).to(memory_format=torch.channels_last)
    pupil = Pupil(EmbeddingNetwork(student, plan), teacher).to(fabric.device).to(memory_format=torch.channels_last)
    part = (fabric.global_rank, fabric.world_size)
    objective = Distillation(pupil, teacher, given.pictures, settings, fabric.device, part, steps)
    before = objective.held_out()
    training = TrainingSettings(
        epochs=settings.epochs,
        lr=settings.lr,
        weight_decay=_DECAY,
        clip=_CLIP,
        precision=settings.precision,
        seed=settings.seed,
    )
    place = checkpoints.place("distill")
    history = train(objective, training, fabric=fabric, place=place, progress=steps("distill"))
    distilled = Distilled(before, objective.held_out(), history, given.notes)
    network = untrained_student(settings.student)
    network.load_state_dict(pupil.network.stages.cpu().state_dict())
    return dataclasses.replace(distilled, notes=(*given.notes, _outcome(distilled))), network


def _outcome(distilled: Distilled) -> str:
    before, after = distilled.before, distilled.after
    kept = " The student stays as it came: no epoch was better." if distilled.history.best == 0 else ""
    return (
        f"On pictures held out the student explains {100 * (1 - after['embedding']):.1f} % of the variance of the "
        f"teacher's embedding; alignment of the two {1 - after['relation']:.3f}, at the start "
        f"{1 - before['relation']:.3f} (centred kernel alignment, 1 at best).{kept}"
    )


def _fields(
    name: str,
    archive: Path | None,
    settings: DistillSettings,
    given: _Given,
    student: nn.Module,
    distilled: Distilled,
) -> dict[str, Any]:
    """The content of `run.json`."""
    teacher, backbone = given.teacher, given.student
    return {
        "name": name,
        "method": DISTILLED,
        "backbone": {
            "name": backbone.name,
            "origin": f"distilled from {teacher.name} ({name})",
            "digest": state_digest(student),
            "size": backbone.size,
            "mean": list(backbone.mean),
            "std": list(backbone.std),
        },
        "teacher": {"name": teacher.name, "origin": teacher.origin, "digest": teacher.digest},
        "data": {"given": str(archive) if archive else "rendered", "digest": given.digest},
        "notes": list(distilled.notes),
        "settings": dataclasses.asdict(settings),
        "seed": settings.seed,
        "versions": versions(),
    }


def _report(
    name: str, settings: DistillSettings, fields: dict[str, Any], distilled: Distilled, seconds: float
) -> Report:
    shown = {
        "teacher": f"{fields['teacher']['name']} ({fields['teacher']['origin']})",
        "student": f"{settings.student}, {settings.size} x {settings.size} pixels",
        "pictures": fields["data"]["given"],
        "of an epoch": f"at most {counted(settings.pictures, 'picture')}, {counted(settings.views, 'view')} of each",
        "passes": str(settings.passes),
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
        summary=distilled.notes[-1],
        notes=distilled.notes[:-1],
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


def _usable(name: str) -> str:
    return name if name and name[0].isalnum() else "student"


def _digest_of(digests: list[str]) -> str:
    return hashlib.sha256("\n".join(digests).encode()).hexdigest()
