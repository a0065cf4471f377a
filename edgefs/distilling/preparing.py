"""What a distillation begins with, checked in seconds before hours are spent on it."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from edgefs.backbones import Backbone, load_backbone
from edgefs.backbones.nano import load_nano
from edgefs.backbones.students import untrained_student
from edgefs.backbones.weights import state_digest
from edgefs.data.reading import read_unlabelled
from edgefs.data.samples import dataset_digest
from edgefs.data.windows import window_note
from edgefs.distilling.pictures import Archive, Pictures, Rendered
from edgefs.embedding.network import stages_of
from edgefs.progress import Steps
from edgefs.settings.distill import DistillSettings
from edgefs.settings.frame import preprocess_by
from edgefs_runtime.base.errors import DataError, WeightsError
from edgefs_runtime.base.wording import counted
from edgefs_runtime.images.listing import list_images, passed_over

_RENDERED_SIDE = 192  # pixels of a rendered picture, before views are cut out of it
_ARCHIVE_SIDE = 256  # the same of an image of an archive
_FEWEST = 32  # images of an archive


@dataclass(frozen=True)
class Given:
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
        told = dataclasses.asdict(settings)
        return {
            "settings": {key: value for key, value in told.items() if key not in ("workers", "name")},
            "teacher": self.teacher.digest,
            "student": self.student.digest,
            "data": self.digest,
        }


def prepare(archive: Path | None, settings: DistillSettings, device: torch.device, steps: Steps) -> Given:
    """Load teacher and student and read the images.

    Raises:
        DataError: the archive is not there, or holds too few images.
        WeightsError: teacher or student can't be had, or not at this size.
    """
    if settings.size % 32:
        raise WeightsError(f"--size {settings.size}: a student takes a multiple of 32 pixels")
    if archive is not None and not archive.is_dir():
        raise DataError(f"{archive}: no such folder; pass one of images, in any folders below it")
    student = _student(settings, rendered=archive is None)
    teacher = load_backbone(settings.teacher, settings.teacher_weights)
    if not teacher.trained and settings.teacher_weights is None:
        raise WeightsError(f"--teacher {teacher.name} has random values and knows nothing; pass --teacher-weights FILE")
    stages_of(teacher, (settings.teacher_size or teacher.size,) * 2)  # before an hour of reading images
    pictures, digest, about = _pictures(archive, settings, device, steps)
    notes = (
        f"Teacher: {teacher.name}, {teacher.origin}, at {settings.teacher_size or teacher.size} pixels.",
        f"Student: {student.name} at {settings.size} pixels, from {student.origin}.",
        about,
    )
    return Given(teacher, student, pictures, digest, notes)


def _student(settings: DistillSettings, *, rendered: bool) -> Backbone:
    """The network that learns."""
    packaged = settings.student == "nano"
    start = settings.start or ("packaged" if packaged and not rendered else "random")
    if start == "packaged" and not packaged:
        raise WeightsError(f"--start packaged: of {settings.student} there are no packaged weights, only of nano")
    network = load_nano() if start == "packaged" else untrained_student(settings.student, settings.seed)
    phrase = "nano's packaged weights" if start == "packaged" else "random values"
    return Backbone(settings.student, network, settings.size, phrase, state_digest(network))


def _pictures(
    archive: Path | None, settings: DistillSettings, device: torch.device, steps: Steps
) -> tuple[Pictures, str, str]:
    """The source of pictures, its digest, and a sentence about it."""
    drawn = f"{settings.epochs} epochs, {counted(settings.views, 'view')} of each"
    if archive is None:
        rendered = Rendered(
            settings.pictures, _RENDERED_SIDE, settings.seed, settings.workers, ahead=device.type == "cuda"
        )
        return rendered, "rendered", f"Pictures: {settings.pictures:,} rendered anew in each of {drawn}."
    preprocess = preprocess_by(vars(settings), size=(_ARCHIVE_SIDE, _ARCHIVE_SIDE))
    images, others = list_images(archive)
    images.sort()  # the order that trainings were always given them in
    choose, progress = settings.window is None, steps("read images")
    found = read_unlabelled(images, archive, _FEWEST, "to learn from", progress, preprocess, choose=choose)
    samples, left_out = found.samples, found.left_out
    preprocess = dataclasses.replace(preprocess, window=found.window or preprocess.window)
    once = list({sample.digest: sample for sample in samples}.values())
    pictures = Archive(once, settings.pictures, preprocess, settings.seed)
    window = window_note(once, found.window) if found.window and settings.window is None else ""
    gone = f"; {counted(len(left_out), 'file')} left out" if left_out else ""
    said = f" {passed_over(others)}" if others else ""
    digest = dataset_digest(once, archive)
    about = f"Pictures: {len(once):,} images{gone}, {pictures.count:,} in each of {drawn}.{said}"
    return pictures, digest, " ".join(filter(None, (about, window)))
