"""Domain adaptation of digits without a label of the target, measured on exported bundles through the runtime.

    python benchmarks/digits.py [--seeds 0 1 2 3 4] [--tasks mnist-mnistm mnist-usps usps-mnist] [--jobs 2]

MNIST-M is made as in Ganin et al. 2016: |digit - patch of a BSDS500 photograph|, channel by channel. Cut to finish
within an hour on two cores: 6,000 images of each domain learn, 2,000 test, 16 epochs of 100 steps of 32 + 32 images;
the papers learn from all 60,000, ten times as long or more. Every file is a PNG, since the product reads files.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from accuracy import interval
from data import data_folder
from PIL import Image

from edgefs.methods.domain import DomainSettings
from edgefs.pipelines.adapt import adapt
from edgefs.pipelines.export import export
from edgefs.settings.adapt import AdaptSettings
from edgefs_runtime import Classifier

LEARNED, TESTED = 6000, 2000
TASKS = {  # source-only -> adapted, as published
    "mnist-mnistm": "52.3 -> 76.7 (Ganin et al. 2016)",
    "mnist-usps": "81.8 -> 88.4 (s-chh/PyTorch-DANN)",
    "usps-mnist": "49.4 -> 95.7 (s-chh/PyTorch-DANN)",
}
WRONG = {  # sources that say nothing of the target, for the guard
    "steel-mnist": "six kinds of steel surface, named 0 to 5",
    "shuffled-usps": "MNIST, every image with a label drawn by lot",
    "permuted-usps": "MNIST, every digit named after the next one",
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2, 3, 4])
    parser.add_argument("--tasks", nargs="+", choices=[*TASKS, *WRONG], default=list(TASKS))
    parser.add_argument("--jobs", type=int, default=1, help="runs side by side, one core each")
    parser.add_argument("--only", choices=["source-only", "adapted"])
    options = parser.parse_args()
    if options.jobs > 1:
        side_by_side(options)
        return
    torch.set_num_threads(1)
    for task in options.tasks:
        found: dict[str, list[float]] = {}
        for seed in options.seeds:
            for name, value in run(task, seed, options.only).items():
                found.setdefault(name, []).append(value)
        row = "   ".join(f"{name} {interval(values)}" for name, values in found.items())
        print(f"{task:13} {row}   {len(options.seeds)} seeds; {about(task)}", flush=True)


def about(task: str) -> str:
    return f"published {TASKS[task]}" if task in TASKS else WRONG[task]


def side_by_side(options: argparse.Namespace) -> None:
    """A process for each share of the seeds; every one prints its own lines."""
    shares = [options.seeds[job :: options.jobs] for job in range(options.jobs)]
    commands = [
        [sys.executable, __file__, "--tasks", *options.tasks, "--seeds", *map(str, share)] for share in shares if share
    ]
    for process in [subprocess.Popen(command) for command in commands]:
        process.wait()


def run(task: str, seed: int, only: str | None) -> dict[str, float]:
    """Share of the target's test images that the shipped bundles place rightly, per cent."""
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        write(task, seed, folder)
        found = {}
        for name, loss in (("source-only", "none"), ("adapted", "dann")):
            if only in (None, name):
                began = time.monotonic()
                found[name], told = shipped(folder, seed, loss)
                print(f"  {task} seed {seed} {name:11} {found[name]:5.1f} %  {time.monotonic() - began:4.0f} s  {told}")
                sys.stdout.flush()
        return found


def shipped(folder: Path, seed: int, loss: str) -> tuple[float, str]:
    """Adapt, export, and ask the bundle."""
    settings = AdaptSettings(
        method="domain",
        backbone="pico",
        head="lda",
        seed=seed,
        own=(DomainSettings(source=str(folder / "source"), domain_loss=loss),),  # type: ignore[arg-type]
    )
    adapted, _ = adapt(folder / "target", folder / "run", settings, overwrite=True)
    export(folder / "run", folder / "digits.edgefs", use_cache=False)
    paths = sorted((folder / "target" / "test").glob("*/*.png"))
    with Classifier.open(folder / "digits.edgefs", gallery=folder / f"{loss}.gallery") as classifier:
        decisions = classifier.predict(paths)
    right = [decision.nearest == path.parent.name for decision, path in zip(decisions, paths, strict=True)]
    refused = 100 * float(np.mean([decision.label is None for decision in decisions]))
    return 100 * float(np.mean(right)), f"{refused:.1f} % refused as unknown. {adapted.record.notes[-1]}"


def write(task: str, seed: int, folder: Path) -> None:
    """`source/<digit>/`, `target/train/` without labels, `target/test/<digit>/`."""
    rng = np.random.default_rng(seed)
    source, target = task.split("-")
    few = source == "steel"  # as many classes as there are kinds of steel
    for images, digits, place, labelled in (
        (*domain(source, "train", LEARNED, rng), folder / "source", True),
        (*domain(target, "train", LEARNED, rng), folder / "target" / "train", False),
        (*domain(target, "test", TESTED, rng), folder / "target" / "test", True),
    ):
        for number, (image, digit) in enumerate(zip(images, digits, strict=True)):
            if few and digit > 5:
                continue
            below = place / str(digit) if labelled else place
            below.mkdir(parents=True, exist_ok=True)
            Image.fromarray(image).save(below / f"{number:05}.png")


def domain(name: str, side: str, most: int, rng: np.random.Generator) -> tuple[Sequence[np.ndarray], np.ndarray]:
    """uint8 images and digits, drawn."""
    data = data_folder()
    if name == "steel":
        files = sorted((data / "neu_steel").glob("*/*.jpg"))
        kinds = sorted({path.parent.name for path in files})
        return [np.asarray(Image.open(path)) for path in files], np.array([kinds.index(p.parent.name) for p in files])
    arrays = np.load(data / ("usps.npz" if name == "usps" else "mnist.npz"))
    images, digits = arrays[f"x_{side}"], arrays[f"y_{side}"].astype(int)
    drawn = rng.permutation(len(images))[:most]
    images, digits = images[drawn], digits[drawn]
    digits = {"shuffled": rng.permutation(digits), "permuted": (digits + 1) % 10}.get(name, digits)
    if name == "usps":
        return (images.reshape(-1, 16, 16) * 255).round().astype(np.uint8), digits
    return (with_photographs(images, data / "bsds500_train", rng) if name == "mnistm" else images), digits


def with_photographs(images: np.ndarray, photographs: Path, rng: np.random.Generator) -> list[np.ndarray]:
    """MNIST-M: the absolute difference of each digit and a patch of a photograph, `[28,28,3]`."""
    pictures = [np.asarray(Image.open(path).convert("RGB"), np.int16) for path in sorted(photographs.glob("*.jpg"))]
    found = []
    for image in images:
        picture = pictures[rng.integers(len(pictures))]
        top, left = (rng.integers(side - 28 + 1) for side in picture.shape[:2])
        patch = picture[top : top + 28, left : left + 28]
        found.append(np.abs(patch - image[:, :, None].astype(np.int16)).astype(np.uint8))
    return found


if __name__ == "__main__":
    main()
