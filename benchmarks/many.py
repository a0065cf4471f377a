"""What a sample costs: thresholds of a gallery of thousands of images read off about 2,000 of them, and off all.

    python benchmarks/many.py [--seeds 5]

Omniglot by `nano`, one view: 300 characters of 12 images are taught, 8 others of each are asked about, and 100
characters that nobody taught. MNIST: 8 digits of 500 images are taught, and two are not. `all` is the head that a
gallery of up to 2,000 images has: every row judged as if its part were not there. Mean per cent over the seeds, with
its 95 % interval: the nearest class is right, known parts refused at a budget of 5 %, unknown parts refused.
"""

from __future__ import annotations

import os

for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):  # before numpy
    os.environ.setdefault(name, "1")

import argparse
import subprocess
import sys
import tempfile
import time
import zipfile
from pathlib import Path

import numpy as np
from data import data_folder
from numpy.typing import NDArray
from PIL import Image

from edgefs_runtime import Classifier
from edgefs_runtime.decision import snapshot as snapshots
from edgefs_runtime.decision.judge import Judge
from edgefs_runtime.decision.settings import DecisionSettings

Rows = NDArray[np.float32]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=5)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        sets = {
            "Omniglot": (omniglot(Path(folder) / "omniglot"), 300, 12, 8),
            "MNIST": (mnist(Path(folder)), 8, 500, 100),
        }
        for name, (pictures, known, shots, asked) in sets.items():
            rows = embedded(Path(folder) / name, pictures)
            for kind in ("blend", "lda", "prototype"):
                compare(f"{name}, {kind}", rows, kind, (known, shots, asked), options.seeds)


def compare(name: str, rows: Rows, kind: str, plan: tuple[int, int, int], seeds: int) -> None:
    """Print what the sample and all rows lead to; rows `[C,n,D]`."""
    found: dict[str, list[list[float]]] = {"a sample": [], "all": []}
    for seed in range(seeds):
        for way, most in (("a sample", 2000), ("all", 10**9)):
            snapshots.MOST = most
            found[way].append(measured(rows, kind, plan, seed))
    for way, figures in found.items():
        values = np.array(figures)
        spread = 1.96 * values.std(axis=0, ddof=1) / np.sqrt(len(values))
        cells = [f"{mean:6.2f} ± {around:4.2f}" for mean, around in zip(values.mean(axis=0), spread, strict=True)]
        words = ("right", "known refused", "unknown refused", "seconds to fit")
        print(
            f"{name:22} {way:9}" + ", ".join(f"{cell} {word}" for cell, word in zip(cells, words, strict=True)),
            flush=True,
        )


def measured(rows: Rows, kind: str, plan: tuple[int, int, int], seed: int) -> list[float]:
    """Right, known refused and unknown refused in per cent, and seconds of a fit."""
    known, shots, asked = plan
    random = np.random.default_rng(seed)
    classes, images = random.permutation(len(rows)), random.permutation(rows.shape[1])
    support = rows[classes[:known]][:, images[:shots]]
    labels = tuple(f"{number:04}" for number in range(known))
    taught = snapshots.Snapshot(
        support.reshape(known * shots, -1),
        labels,
        ("defect",) * known,
        np.repeat(np.arange(known), shots),
        np.arange(known * shots),
        0,
    )
    started = time.process_time()
    judge = Judge(taught, DecisionSettings({"kind": kind}))
    seconds = time.process_time() - started
    queries, strangers = (
        rows[of][:, images[shots : shots + asked]].reshape(-1, rows.shape[2])
        for of in (classes[:known], classes[known:])
    )
    answers, unknown = judge.decide(queries), judge.decide(strangers)
    right = [answer.nearest == labels[number // asked] for number, answer in enumerate(answers)]
    refused = [[answer.label is None for answer in of] for of in (answers, unknown)]
    return [100 * float(np.mean(right)), *(100 * float(np.mean(of)) for of in refused), seconds]


def embedded(folder: Path, pictures: list[list[Image.Image]]) -> Rows:
    """Embeddings `[C,n,D]` of pictures of each class, by `nano` on the device's way."""
    for label, own in enumerate(pictures[:4]):
        (folder / "data" / f"{label}").mkdir(parents=True)
        for number, picture in enumerate(own[:8]):
            picture.save(folder / "data" / f"{label}" / f"{number}.png")
    edgefs = [sys.executable, "-m", "edgefs"]
    adapt = [*edgefs, "adapt", "data", "-o", "run", "--backbone", "nano", "--symmetry", "none"]
    for command in (adapt, [*edgefs, "export", "run", "-o", "b.edgefs"]):
        subprocess.run(command, cwd=folder, check=True, capture_output=True)
    found = []
    with Classifier.open(folder / "b.edgefs", seed_only=True, threads=1) as classifier:
        for own in pictures:
            found.append(classifier.embed([np.asarray(picture.convert("RGB")) for picture in own]))
    return np.stack(found)


def omniglot(classes: int = 400) -> list[list[Image.Image]]:
    """Characters of 20 pictures each."""
    import io

    archive = zipfile.ZipFile(data_folder() / "omniglot.zip")
    characters: dict[str, list[str]] = {}
    for name in sorted(name for name in archive.namelist() if name.endswith(".png")):
        characters.setdefault(name.rpartition("/")[0], []).append(name)
    return [
        [Image.open(io.BytesIO(archive.read(name))).convert("L") for name in names[:20]]
        for names in list(characters.values())[:classes]
    ]


def mnist() -> list[list[Image.Image]]:
    """Digits of 600 pictures each."""
    with np.load(data_folder() / "mnist.npz") as data:
        pictures, of = data["x_test"], data["y_test"]
    return [[Image.fromarray(one) for one in pictures[of == digit][:600].reshape(-1, 28, 28)] for digit in range(10)]


if __name__ == "__main__":
    main()
