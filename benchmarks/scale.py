"""How a gallery of 20,000 images of 8 views and 1,000 classes opens, learns and decides, on one core.

    python benchmarks/scale.py [--images 20000] [--classes 1000] [--dim 64] [--keep FOLDER]
    python benchmarks/scale.py --adapt 400 2000

Embeddings are random around each class's centre, straight into a gallery by its API. Each figure is one fresh process
on one core: opening after the first opening, which is what a cached fit serves, and without it; teaching five images;
deciding one image, compared with what was decided before. `--adapt` times `edgefs adapt` on two shots a class of
Omniglot (../shared/data) instead, with two cores and an empty cache: 100 classes first, for the ratio to linear.
Seconds of the processor are of all cores; the peak is that of the largest so far.
"""

from __future__ import annotations

import os

for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):  # before numpy
    os.environ.setdefault(name, "1")

import argparse
import hashlib
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from data import data_folder
from numpy.typing import NDArray
from PIL import Image

from edgefs_runtime.decision.judge import Judge
from edgefs_runtime.decision.settings import DecisionSettings
from edgefs_runtime.decision.snapshot import Enrolment
from edgefs_runtime.gallery import Gallery, Seed, read_snapshot

VIEWS, SHOTS = 8, 5
SETTINGS = DecisionSettings({"kind": "blend"})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--images", type=int, default=20_000)
    parser.add_argument("--classes", type=int, default=1_000)
    parser.add_argument("--dim", type=int, default=512, help="of one view")
    parser.add_argument("--keep", type=Path, help="where the gallery is made, and found the next time")
    parser.add_argument("--adapt", type=int, nargs="+", help="numbers of classes to time `edgefs adapt` with")
    parser.add_argument("--measure", choices=("without", "with", "enroll"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.measure:
        measure(options.measure, options.keep / "scale.gallery", seed(options.dim))
    elif options.adapt:
        time_adapt(options.adapt)
    else:
        with tempfile.TemporaryDirectory() as folder:
            time_gallery(options, options.keep or Path(folder))


def seed(dim: int) -> Seed:
    """A bundle's seed of two classes, whose embeddings are of 8 views."""
    classes = tuple(enrolment(f"seed {number}", SHOTS, number, dim) for number in range(2))
    return Seed("5eed" * 16, "5ca1e" * 12 + "0000", VIEWS * dim, "scale", classes, VIEWS)


def enrolment(label: str, count: int, number: int, dim: int) -> Enrolment:
    """Images of a class, whose views are unit vectors around the class's centre."""
    centre = np.random.default_rng(int(hashlib.sha256(label.encode()).hexdigest()[:8], 16)).standard_normal(dim)
    rows = centre + 0.7 * np.random.default_rng(number).standard_normal((count, VIEWS, dim))
    rows /= np.linalg.norm(rows, axis=2, keepdims=True)
    digests = tuple(hashlib.sha256(f"{label} {number} {image}".encode()).hexdigest() for image in range(count))
    return Enrolment(label, "defect", rows.reshape(count, -1).astype(np.float32), digests)


def time_gallery(options: argparse.Namespace, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "scale.gallery"
    if not path.exists():
        make(path, options)
    print(f"{options.images:,} images x {VIEWS} views x {options.dim}, {options.classes:,} classes: ", end="")
    print(f"{path.stat().st_size / 1e6:,.0f} MB", flush=True)
    for what in ("without", "enroll", "with", "enroll", "with"):
        command = ["taskset", "-c", "0", sys.executable, __file__, "--measure", what, "--keep", str(folder)]
        subprocess.run([*command, "--dim", str(options.dim)], check=True)


def make(path: Path, options: argparse.Namespace) -> None:
    each = max(1, options.images // options.classes)
    with Gallery.open(path, seed(options.dim)) as gallery:
        gallery.enroll_together(
            [enrolment(f"class {number:04}", each, number, options.dim) for number in range(options.classes)]
        )


def measure(what: str, path: Path, of: Seed) -> None:
    """One figure, in a process of its own."""
    asked = asked_of(of.dim // VIEWS)
    started = time.perf_counter()
    if what == "enroll":
        with Gallery.open(path, of) as gallery:
            Judge(gallery.snapshot(), SETTINGS, of.digest)
            opened = time.perf_counter()
            gallery.enroll(enrolment("class 0001", SHOTS, time.time_ns() % 2**32, of.dim // VIEWS))
            judge = Judge(gallery.snapshot(), SETTINGS, of.digest)
            gallery.remember(judge.fit)
            print(f"  enroll {SHOTS} images and fit anew: {time.perf_counter() - opened:8.2f} s", end="")
            gallery.undo()
            gallery.remember(Judge(gallery.snapshot(), SETTINGS, of.digest).fit)
    else:
        if what == "without":
            path.with_name(path.name + ".snapshot").unlink(missing_ok=True)
        judge = Judge(read_snapshot(path, of), SETTINGS, of.digest)
        print(f"  open {what:7} a kept fit:       {time.perf_counter() - started:8.2f} s", end="")
    before = time.perf_counter()
    answers = [judge.decide(row[None])[0] for row in asked]
    said = hashlib.sha256(repr([(answer.verdict, answer.label) for answer in answers]).encode()).hexdigest()[:8]
    each = 1000 * (time.perf_counter() - before) / len(answers)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f", a decision {each:6.1f} ms ({said}), peak {peak:,.0f} MB", flush=True)


def asked_of(dim: int) -> NDArray[np.float32]:
    """Ten embeddings [10, dim] to decide about, of ten classes."""
    rows = [enrolment(f"class {number:04}", 1, 10**6 + number, dim).vectors[:, :dim] for number in range(10)]
    return np.concatenate(rows)


def time_adapt(classes: list[int]) -> None:
    each = {}
    for count in sorted({100, *classes}):
        spent = -_spent()
        with tempfile.TemporaryDirectory() as folder:
            draw(Path(folder) / "data", count)
            words = ["adapt", "data", "-o", "run", "--backbone", "nano", "--shots", "2"]
            command = [sys.executable, "-m", "edgefs", *words]
            started = time.perf_counter()
            environment = {**os.environ, "OMP_NUM_THREADS": "2", "OPENBLAS_NUM_THREADS": "2", "EDGEFS_CACHE": folder}
            ended = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
            each[count] = time.perf_counter() - started
        if ended.returncode:
            sys.exit(f"adapt of {count} classes: {ended.stderr.strip()[-300:]}")
        ratio, spent = each[count] / each[100] / (count / 100), spent + _spent()
        peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
        print(f"adapt {count:5} classes x 2 shots: {each[count]:6.1f} s ({spent:.1f} s of the processor), ", end="")
        print(f"{ratio:.2f} x linear from 100 on, peak {peak:,.0f} MB", flush=True)


def _spent() -> float:
    """Seconds of the processor that processes which have ended took."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def draw(root: Path, classes: int) -> None:
    """Three pictures of each class: characters of Omniglot in three turns, which makes up to 4,800 classes."""
    import io
    import zipfile

    archive = zipfile.ZipFile(data_folder() / "omniglot.zip")
    characters: dict[str, list[str]] = {}
    for name in sorted(name for name in archive.namelist() if name.endswith(".png")):
        characters.setdefault(name.rpartition("/")[0], []).append(name)
    turned = ((turn, names) for turn in (0, 90, 180) for names in characters.values())
    for number, (turn, names) in zip(range(classes), turned, strict=False):
        folder = root / f"class_{number:04d}"
        folder.mkdir(parents=True)
        for image, name in enumerate(names[:3]):
            picture = Image.open(io.BytesIO(archive.read(name))).convert("L")
            picture.rotate(turn, fillcolor=255).save(folder / f"{image}.png")


if __name__ == "__main__":
    main()
