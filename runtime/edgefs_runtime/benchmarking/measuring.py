"""Everything that is measured of some bundles, in its order, as one result."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from edgefs_runtime.base.errors import BundleError
from edgefs_runtime.base.stats import clopper_pearson
from edgefs_runtime.benchmarking.budget import Budget
from edgefs_runtime.benchmarking.comparing import Ratio, ratio_of_medians
from edgefs_runtime.benchmarking.enrolling import SHOTS, WhileEnrolling, measure_while_enrolling
from edgefs_runtime.benchmarking.frames import Frames
from edgefs_runtime.benchmarking.latency import STAGES, Turns, measure_alone, seconds_of
from edgefs_runtime.benchmarking.machine import Machine
from edgefs_runtime.benchmarking.memory import Memory, measure_memory
from edgefs_runtime.benchmarking.percentiles import Percentiles
from edgefs_runtime.benchmarking.subject import BenchSubject, open_subjects
from edgefs_runtime.benchmarking.throughput import Throughput, measure_throughput

_ALONE, _ENROLLING, _THROUGHPUT = 0.5, 0.25, 0.25  # shares of the time


@dataclass(frozen=True)
class BenchPlan:
    """How it is measured.

    Attributes:
        seconds: for each bundle; loading, warming up and the measurement of memory come on top.
        frames: where given, counts in the place of the time: frames in memory that are decided about alone, while
            enrolling, and at each setting of the throughput.
        threads: of one inference, 0 for one for each core; all but the throughput is measured with the first.
        gallery: what the bundles decide by, copied; None takes the seed of each.
        deadline: milliseconds that a frame may take.
    """

    seconds: float = 20.0
    frames: int | None = None
    threads: tuple[int, ...] = (0,)
    gallery: Path | None = None
    deadline: float | None = None

    def __post_init__(self) -> None:
        if self.seconds <= 0 or (self.frames is not None and self.frames < 1):
            raise ValueError(f"nothing to measure: {self.seconds} seconds, {self.frames} frames")
        if not self.threads or min(self.threads) < 0:
            raise ValueError(f"threads = {self.threads}: expected at least one number, none below 0")

    @property
    def budget(self) -> Budget:
        """Budget of each bundle, for everything together."""
        return Budget(self.seconds, self.frames)


@dataclass(frozen=True)
class Misses:
    """Frames that took longer than the deadline, end to end.

    Attributes:
        frames: how many did.
        samples: frames that were timed.
        high: upper end of the exact 95 % interval of their share.
    """

    frames: int
    samples: int
    high: float

    @property
    def share(self) -> float:
        """Share of frames that missed the deadline, 0 to 1; 0 where nothing was measured."""
        return self.frames / self.samples if self.samples else 0.0

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {**dataclasses.asdict(self), "share": self.share}


@dataclass(frozen=True)
class Enrolling:
    """What was measured while a class was enrolled in another thread.

    Attributes:
        end_to_end: of frames in memory that came while an enrolment ran.
        by_old_snapshot: how many of them were decided by the gallery as it was before.
        images: of one enrolment.
        enrolments: how many were finished.
        enrolment: what one takes while deciding goes on.
    """

    end_to_end: Percentiles
    by_old_snapshot: int
    images: int
    enrolments: int
    enrolment: Percentiles


@dataclass(frozen=True)
class BenchFigures:
    """One bundle.

    Attributes:
        path: of the bundle.
        name: of the model.
        digest: of the bundle.
        precision: as the manifest says; empty where it does not.
        size: (height, width) of the network's input, pixels.
        images: in the gallery that it decides by.
        head: the kind of the head that decides.
        warnings: as `Classifier.warnings`.
        stages: `latency.STAGES`, alone.
        enrolling: the same end to end while enrolling.
        misses: of the deadline, `alone` and `enrolling`; empty without a deadline.
        throughput: at each number of threads and batch.
        memory: its peaks.
        against_first: of each stage the ratio of medians against the first bundle; empty for that one.
    """

    path: Path
    name: str
    digest: str
    precision: str
    size: tuple[int, int]
    images: int
    head: str
    warnings: tuple[str, ...]
    stages: Mapping[str, Percentiles]
    enrolling: Enrolling
    misses: Mapping[str, Misses]
    throughput: tuple[Throughput, ...]
    memory: Memory
    against_first: Mapping[str, Ratio]

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values; times in milliseconds."""
        fields = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}
        return {
            **fields,
            "path": str(self.path),
            "stages": {stage: spread.to_json() for stage, spread in self.stages.items()},
            "enrolling": {
                **{field.name: getattr(self.enrolling, field.name) for field in dataclasses.fields(self.enrolling)},
                "end_to_end": self.enrolling.end_to_end.to_json(),
                "enrolment": self.enrolling.enrolment.to_json(),
            },
            "misses": {when: misses.to_json() for when, misses in self.misses.items()},
            "throughput": [dataclasses.asdict(throughput) for throughput in self.throughput],
            "memory": dataclasses.asdict(self.memory),
            "against_first": {stage: dataclasses.asdict(ratio) for stage, ratio in self.against_first.items()},
        }


@dataclass(frozen=True)
class Benchmark:
    """All bundles on one machine.

    Attributes:
        machine: this one.
        plan: how it was measured.
        frames: what was decided about.
        bundles: in the order they were given.
    """

    machine: Machine
    plan: BenchPlan
    frames: Frames
    bundles: tuple[BenchFigures, ...]

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values; times in milliseconds, memory in MiB."""
        plan = dataclasses.asdict(self.plan)
        return {
            "machine": {**dataclasses.asdict(self.machine), "warning": self.machine.warning},
            "plan": {**plan, "gallery": None if self.plan.gallery is None else str(self.plan.gallery)},
            "frames": self.frames.to_json(),
            "bundles": [bundle.to_json() for bundle in self.bundles],
        }


def bench(paths: Sequence[Path], frames: Frames, plan: BenchPlan) -> Benchmark:
    """Measure bundles side by side in this process.

    No gallery is written to but copies that are thrown away.

    Args:
        paths: the bundles; the others are compared with the first.
        frames: what is decided about.
        plan: how.

    Raises:
        BundleError: no bundle was given, one is not whole, or its self-test fails on this machine.
        GalleryError: the plan's gallery can't be read, or does not belong to a bundle.
        ImageError: a bundle can't judge a frame.
    """
    if not paths:
        raise BundleError("no bundle was given; name at least one")
    machine = Machine.here()  # before its load is our own
    budget, threads = plan.budget, plan.threads[0]
    with open_subjects(paths, plan.gallery, threads) as subjects:
        for subject in subjects:
            subject.check(frames)
        memories = [measure_memory(subject, frames[0], threads) for subject in subjects]  # galleries at rest still
        alone = measure_alone(subjects, frames, budget.part(_ALONE))
        throughputs = measure_throughput(subjects, frames, budget.part(_THROUGHPUT), plan.threads)
        gathered = zip(subjects, memories, alone, throughputs, strict=True)
        bundles = []
        for number, (subject, memory, turns, throughput) in enumerate(gathered):
            against = alone[0] if number else None
            described = _describe(subject)  # before it enrols
            meanwhile = measure_while_enrolling(subject, frames, budget.part(_ENROLLING))
            bundles.append(
                BenchFigures(
                    **described,
                    stages={stage: Percentiles.of(seconds_of(turns, stage)) for stage in STAGES},
                    enrolling=_enrolling(meanwhile),
                    misses=_misses(turns, meanwhile, plan.deadline),
                    throughput=tuple(throughput),
                    memory=memory,
                    against_first={s: ratio_of_medians(turns[s], against[s]) for s in STAGES} if against else {},
                )
            )
    return Benchmark(machine, plan, frames, tuple(bundles))


def _describe(subject: BenchSubject) -> dict[str, Any]:
    bundle, judge = subject.classifier.bundle, subject.classifier.judge
    entry = bundle.manifest.raw.get("embedder")
    return {
        "path": subject.path,
        "name": bundle.name,
        "digest": bundle.digest,
        "precision": str(entry.get("precision", "")) if isinstance(entry, dict) else "",
        "size": subject.preprocess.size,
        "images": len(judge.snapshot.classes),
        "head": judge.head,
        "warnings": subject.classifier.warnings,
    }


def _enrolling(meanwhile: WhileEnrolling) -> Enrolling:
    return Enrolling(
        end_to_end=Percentiles.of(meanwhile.seconds),
        by_old_snapshot=meanwhile.by_old_snapshot,
        images=SHOTS,
        enrolments=meanwhile.enrolments,
        enrolment=Percentiles.of(meanwhile.enrolment_seconds),
    )


def _misses(turns: Turns, meanwhile: WhileEnrolling, deadline: float | None) -> dict[str, Misses]:
    if deadline is None:
        return {}
    found = {}
    for when, seconds in (("alone", seconds_of(turns, "end_to_end")), ("enrolling", meanwhile.seconds)):
        late = int(np.count_nonzero(1000 * seconds > deadline))
        found[when] = Misses(late, len(seconds), clopper_pearson(late, len(seconds))[1])
    return found
