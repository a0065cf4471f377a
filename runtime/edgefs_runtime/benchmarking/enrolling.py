"""Decisions while another thread of the same process teaches a class, as on a device that goes on inspecting."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from edgefs_runtime.benchmarking.budget import Budget
from edgefs_runtime.benchmarking.frames import Frames
from edgefs_runtime.benchmarking.subject import BenchSubject
from edgefs_runtime.classifier import Classifier
from edgefs_runtime.images import Pixels

SHOTS = 5  # images that are enrolled together, as an operator would
_LABEL = "edgefs bench"


@dataclass(frozen=True)
class WhileEnrolling:
    """What deciding was like meanwhile.

    Attributes:
        seconds: `[n]`, end to end, of the frames in memory that came while an enrolment ran.
        by_old_snapshot: how many of them were decided by the gallery as it was before that enrolment.
        enrolments: that were finished, and taken back afterwards.
        enrolment_seconds: `[enrolments]`, what each took.
    """

    seconds: NDArray[np.float64]
    by_old_snapshot: int
    enrolments: int
    enrolment_seconds: NDArray[np.float64]


def measure_while_enrolling(subject: BenchSubject, frames: Frames, budget: Budget) -> WhileEnrolling:
    """Decide without a pause while images of a new class are enrolled and taken back, again and again.

    Frames that come between two enrolments are decided about and not counted.

    Args:
        subject: the bundle; its gallery is written to.
        frames: what is decided about and enrolled.
        budget: frames that come while an enrolment runs. At least one enrolment is finished.

    Raises:
        GalleryError: the enrolment fails.
    """
    teacher = _Teacher(subject.classifier, [frames[number].pixels for number in range(SHOTS)])
    with ThreadPoolExecutor(1, "edgefs-bench-enrol") as pool:
        teaching = pool.submit(teacher.teach)
        try:
            seconds, by_old = _decide_meanwhile(subject, frames, budget, teacher, teaching)
        finally:
            teacher.stop.set()
        teaching.result()
    return WhileEnrolling(np.array(seconds), by_old, len(teacher.seconds), np.array(teacher.seconds))


def _decide_meanwhile(
    subject: BenchSubject, frames: Frames, budget: Budget, teacher: _Teacher, teaching: Future[None]
) -> tuple[list[float], int]:
    seconds: list[float] = []
    by_old, number, clock = 0, 0, budget.start()
    while not teaching.done() and not (clock.is_over(len(seconds)) and teacher.seconds):
        before = teacher.teaching_since
        decision, times = subject.decide(frames[number].pixels)
        number += 1
        if before is not None and clock.left(len(seconds)) != 0:
            seconds.append(times.total)
            by_old += decision.gallery == before
    return seconds, by_old


@dataclass
class _Teacher:
    """Enrolls and takes back until it is stopped.

    Attributes:
        teaching_since: sequence of the gallery before the enrolment that is running; None between two.
        seconds: of each enrolment that is finished.
    """

    classifier: Classifier
    shots: Sequence[Pixels]
    stop: threading.Event = field(default_factory=threading.Event)
    teaching_since: int | None = None
    seconds: list[float] = field(default_factory=list)

    def teach(self) -> None:
        """Enroll and take back until `stop` is set."""
        label = self._free_label()
        while not self.stop.is_set():
            self.teaching_since = self.classifier.judge.snapshot.sequence
            began = time.perf_counter()
            try:
                self.classifier.enroll(label, self.shots, force=True, keep_images=False, actor="edgefs bench")
            finally:
                self.teaching_since = None
            self.seconds.append(time.perf_counter() - began)
            self.classifier.undo(actor="edgefs bench")

    def _free_label(self) -> str:
        known = self.classifier.judge.snapshot.labels
        return next(label for label in (_LABEL, *(f"{_LABEL} {n}" for n in range(len(known)))) if label not in known)
