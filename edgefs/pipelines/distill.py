"""`edgefs distill`: a small network, which `adapt` takes as its backbone, learns from a large one without labels."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import torch
from safetensors.torch import save
from torch import nn

from edgefs.backbones.students import untrained_student
from edgefs.distilling.objective import Distillation
from edgefs.distilling.preparing import Given, prepare
from edgefs.distilling.pupil import Pupil
from edgefs.distilling.reporting import Distilled, distill_report, distilled_record
from edgefs.distilling.teacher import Teacher, levels_of
from edgefs.embedding.network import EmbeddingNetwork, EmbeddingPlan, stages_of
from edgefs.embedding.torch_embedder import choose_device
from edgefs.pipelines.checking import check_distill
from edgefs.progress import Steps, silent
from edgefs.report import report_html
from edgefs.runs.run import METRICS, REPORT, STUDENT, DistilledRun
from edgefs.runs.writing import name_from, write_run
from edgefs.settings.distill import DistillSettings
from edgefs.training import Checkpoints, TrainingSettings, is_lead, make_fabric, train
from edgefs_runtime.base.strict_json import write_json

_DECAY = 0.02
_CLIP = 5.0


def distill(
    archive: Path | None,
    out: Path,
    settings: DistillSettings,
    *,
    overwrite: bool = False,
    steps: Steps = silent,
    tell: Callable[[str], None] = lambda _: None,
) -> tuple[DistilledRun, Distilled]:
    """Teach a small network what a large one sees, and write a RUN that `adapt` takes as `--backbone`.

    Args:
        archive: folder of images, labelled or not; None renders them.
        out: place of the RUN.
        settings: what `distill` is told; `DistillSettings` explains each.
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
    check_distill(archive, out, settings, overwrite=overwrite)
    name = settings.name or name_from(out.resolve().name, "student")
    device = choose_device(settings.device)
    given = prepare(archive, settings, device, steps)
    for note in given.notes:
        tell(note)
    checkpoints = Checkpoints.beside(out, given.origin(settings))
    with closing(given.pictures):
        distilled, student = _train(given, settings, device, checkpoints, steps)
    tell(distilled.sentence)
    record = distilled_record(name, archive, settings, given, student, distilled)
    report = distill_report(name, settings, record, distilled, time.monotonic() - began)
    files = {
        STUDENT: save({key: value.contiguous() for key, value in student.state_dict().items()}),
        METRICS: write_json(distilled.to_json(), indent=1).encode(),
        REPORT: report_html(report).encode(),
    }
    if is_lead():  # of several processes that train together one writes
        record = write_run(out, record, files, overwrite=overwrite)
        checkpoints.clear()
    return DistilledRun(out, record), distilled


def _train(
    given: Given, settings: DistillSettings, device: torch.device, checkpoints: Checkpoints, steps: Steps
) -> tuple[Distilled, nn.Module]:
    """The figures, and the student as it is then, on the CPU."""
    student, size = given.student, settings.teacher_size or given.teacher.size
    plan = EmbeddingPlan.all_stages(student, (settings.size, settings.size))
    levels = levels_of(given.teacher, size, stages_of(student, plan.size), settings.size)
    fabric = make_fabric(device, settings.devices, settings.precision)
    torch.manual_seed(settings.seed)
    teacher = Teacher(given.teacher, levels, size).to(fabric.device).to(memory_format=torch.channels_last)
    pupil = Pupil(EmbeddingNetwork(student, plan), teacher).to(fabric.device).to(memory_format=torch.channels_last)
    objective = Distillation(pupil, teacher, given.pictures, settings, fabric, steps)
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
    return distilled, network
