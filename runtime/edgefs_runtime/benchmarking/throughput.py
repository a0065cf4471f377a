"""Frames a second, one by one and in batches, with so many threads."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from edgefs_runtime.benchmarking.budget import Budget
from edgefs_runtime.benchmarking.frames import Frames
from edgefs_runtime.benchmarking.subject import BenchSubject
from edgefs_runtime.embedders.onnx import OnnxEmbedder
from edgefs_runtime.embedders.protocol import Embedder

BATCHES = (1, 8)
_TURN_SECONDS = 0.1


@dataclass(frozen=True)
class Throughput:
    """Frames and embeddings a second of one bundle, at one number of threads and one batch.

    Attributes:
        threads: of one inference; 0 stands for one for each core.
        batch: frames that are embedded together.
        frames: how many were decided about.
        frames_per_second: from the frame in memory to the decision.
        embeddings_per_second: of the network alone.
    """

    threads: int
    batch: int
    frames: int
    frames_per_second: float
    embeddings_per_second: float


def measure_throughput(
    subjects: Sequence[BenchSubject], frames: Frames, budget: Budget, threads: Sequence[int]
) -> list[list[Throughput]]:
    """Measure every bundle's throughput at each number of threads and batch, the bundles in turns.

    Args:
        subjects: the bundles, whose own embedders have the first number of threads.
        frames: the decoded ones are decided about.
        budget: of each bundle for all of it together.
        threads: of one inference.
    """
    found: list[list[Throughput]] = [[] for _ in subjects]
    each = budget.part(1 / (len(threads) * len(BATCHES)))
    for number, count in enumerate(threads):
        embedders = [
            subject.embedder if number == 0 else OnnxEmbedder(subject.classifier.bundle.model, count)
            for subject in subjects
        ]
        for batch in BATCHES:
            runs = [_Run(subject, embedder, batch) for subject, embedder in zip(subjects, embedders, strict=True)]
            _in_turns(runs, frames, each)
            for throughputs, run in zip(found, runs, strict=True):
                throughputs.append(run.result(count))
    return found


class _Run:
    """One bundle with one embedder and batch."""

    def __init__(self, subject: BenchSubject, embedder: Embedder, batch: int) -> None:
        self._subject, self._embedder, self._batch = subject, embedder, batch
        self.frames, self._seconds, self._embedding = 0, 0.0, 0.0

    def decide(self, frames: Frames, counted: bool = True) -> float:
        """Decide about one batch and return the seconds it took."""
        judge = self._subject.classifier.judge
        taken = [frames[self.frames + number].pixels for number in range(self._batch)]
        began = time.perf_counter()
        pixels = np.stack([self._subject.preprocess(frame) for frame in taken])
        seen = time.perf_counter()
        vectors = self._embedder.embed(pixels)
        embedded = time.perf_counter()
        judge.decide(judge.snapshot.seen(vectors))
        seconds = time.perf_counter() - began
        if counted:
            self.frames += self._batch
            self._seconds += seconds
            self._embedding += embedded - seen
        return seconds

    def result(self, threads: int) -> Throughput:
        """What came of it."""
        return Throughput(threads, self._batch, self.frames, self.frames / self._seconds, self.frames / self._embedding)


def _in_turns(runs: Sequence[_Run], frames: Frames, budget: Budget) -> None:
    for run in runs:
        run.decide(frames, counted=False)
    clock = budget.start(len(runs))
    while not clock.is_over(runs[-1].frames):
        for run in runs:
            left, turn = clock.left(run.frames), 0.0
            run.decide(frames, counted=False)
            while turn < _TURN_SECONDS and (left is None or left > 0):
                turn += run.decide(frames)
                left = clock.left(run.frames)
