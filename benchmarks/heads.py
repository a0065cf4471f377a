"""What the heads cost: bytes, time of an update and of an answer, on one core.

    python benchmarks/heads.py [--rounds 15]

An update is what an enrolment makes the device compute anew: the head, its leave-one-out, thresholds and temperature.
The ratios are against bare numpy, interleaved: refitting `lda` at 1,000 rows × 1,280 against one Gram matrix and its
Cholesky factor; `scores()` of 1,000 classes against the bare matrix product; a whole Decision against the embedding of
one image by MobileNetV2. Medians.
"""

from __future__ import annotations

import os

for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):  # before numpy
    os.environ.setdefault(name, "1")

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from data import data_folder

from edgefs.pipelines.adapt import adapt
from edgefs.pipelines.export import export
from edgefs.render import write_line
from edgefs.settings.adapt import AdaptSettings
from edgefs_runtime.bundle.bundle import Bundle
from edgefs_runtime.decision.heads import HEADS, LdaHead
from edgefs_runtime.decision.judge import Judge
from edgefs_runtime.decision.settings import DecisionSettings
from edgefs_runtime.decision.snapshot import Snapshot, build_snapshot
from edgefs_runtime.embedders.onnx import OnnxEmbedder

DIM, VIEWS = 512, 8


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=15)
    options = parser.parse_args()
    print(f"An image is {4 * DIM * VIEWS:,} bytes in the gallery: {VIEWS} views of {DIM} numbers.")
    for images in (30, 120, 500):
        snapshot, asked = gallery(images, 6, VIEWS, DIM), rows(1, DIM, 9)
        for kind in HEADS:
            settings = DecisionSettings({"kind": kind})
            judge = Judge(snapshot, settings)
            fit, answer = times(
                options.rounds, lambda s=settings, g=snapshot: Judge(g, s), lambda j=judge, a=asked: j.decide(a)
            )
            print(f"{kind:10} {images:4} images of 6 classes: update {fit:7.1f} ms, a decision {1000 * answer:6.0f} µs")
    fit, gram = times(options.rounds, *refit(1000, 1280))
    print(f"refitting lda at 1,000 rows x 1,280:   {fit / gram:.2f} x one Gram matrix and its Cholesky factor")
    ours, bare = times(options.rounds, *scoring(1000))
    print(f"scores() of 64 rows for 1,000 classes: {ours / bare:.2f} x the bare matrix product")
    decided, embedded = times(10 * options.rounds, *decision())
    print(f"a whole Decision:                      {100 * decided / embedded:.1f} % of embedding the image")


def rows(count: int, dim: int, seed: int) -> np.ndarray:
    found = np.random.default_rng(seed).standard_normal((count, dim)).astype(np.float32)
    return found / np.linalg.norm(found, axis=1, keepdims=True)


def gallery(images: int, classes: int, views: int, dim: int) -> Snapshot:
    return Snapshot(
        held=rows(images * views, dim, 0).reshape(images, -1),
        labels=tuple(f"{label:04}" for label in range(classes)),
        dispositions=("ok",) * classes,
        classes=np.arange(images) % classes,
        parts=np.arange(images),
        sequence=0,
        views=views,
    )


def times(rounds: int, *calls: Callable[[], object]) -> list[float]:
    """Median milliseconds of each, in turns."""
    taken: list[list[float]] = [[] for _ in calls]
    for number in range(rounds + 1):
        for call, own in zip(calls, taken, strict=True):
            began = time.perf_counter()
            call()
            if number:
                own.append(1000 * (time.perf_counter() - began))
    return [statistics.median(own) for own in taken]


def refit(n: int, dim: int) -> tuple[Callable[[], object], Callable[[], object]]:
    snapshot = gallery(n, 10, 1, dim)
    plain = snapshot.vectors.astype(np.float64)

    def gram() -> object:
        matrix = plain @ plain.T
        matrix.flat[:: n + 1] += 1
        return np.linalg.cholesky(matrix)

    return lambda: LdaHead(snapshot), gram


def scoring(classes: int) -> tuple[Callable[[], object], Callable[[], object]]:
    head, asked = LdaHead(gallery(2 * classes, classes, 1, DIM)), rows(64, DIM, 5)
    weights = rows(classes, DIM, 6)
    return lambda: head.scores(asked), lambda: asked @ weights.T


def decision() -> tuple[Callable[[], object], Callable[[], object]]:
    data_folder()  # for TORCH_HOME
    with tempfile.TemporaryDirectory() as folder:
        write_line(Path(folder) / "line", 7, 0)
        adapt(Path(folder) / "line", Path(folder) / "run", AdaptSettings(backbone="mobilenet_v2", shots=5))
        export(Path(folder) / "run", Path(folder) / "line.edgefs")
        bundle = Bundle.open(Path(folder) / "line.edgefs")
    manifest = bundle.manifest
    embedder = OnnxEmbedder(bundle.model, threads=1)
    judge = Judge(build_snapshot(bundle.seed_enrolments(), 0, manifest.preprocess.views), manifest.decision)
    pixels = np.random.default_rng(0).integers(0, 256, (1, *manifest.preprocess.size, 3), np.uint8)
    vectors = embedder.embed(pixels)
    return lambda: judge.decide(vectors), lambda: embedder.embed(pixels)


if __name__ == "__main__":
    main()
