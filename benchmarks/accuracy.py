"""Accuracy of shipped bundles, measured through the runtime: adapt, export, decide about every image not learned from.

    python benchmarks/accuracy.py [--seeds 5] [--tile-seeds 20] [--backbones mobilenet_v2 nano] [--only enrolment]

Prints tables of docs/measurements.md: per cent of images whose nearest class is right (balanced over classes on
magnetic_tile), mean over seeds with the 95 % interval of the mean; and what enrolling a class gives that the
workstation never saw.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

import numpy as np
from data import data_folder

from edgefs.data.splits.parts import draw_key
from edgefs.pipelines.adapt import adapt
from edgefs.pipelines.export import export
from edgefs.settings.adapt import AdaptSettings
from edgefs_runtime import Classifier
from edgefs_runtime.images import content_digest
from edgefs_runtime.images.listing import find_images

SHOTS = 5  # that teach a class on the device


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--tile-seeds", type=int, default=20)
    parser.add_argument("--backbones", nargs="+", default=["mobilenet_v2", "nano"])
    parser.add_argument("--classes", nargs="+", help="of neu_steel, to be enrolled on the device; all without it")
    parser.add_argument("--only", choices=["accuracy", "enrolment"])
    options = parser.parse_args()
    data = data_folder()
    with tempfile.TemporaryDirectory() as folder:
        for backbone in options.backbones if options.only != "enrolment" else ():
            accuracy(backbone, data / "neu_steel", 5, options.seeds, Path(folder))
            for shots in (5, 20):
                accuracy(backbone, data / "magnetic_tile" / "parts.csv", shots, options.tile_seeds, Path(folder))
        for backbone in options.backbones if options.only != "accuracy" else ():
            for shots in (5, 20):
                enrolment(backbone, data / "neu_steel", shots, options, Path(folder))


def accuracy(backbone: str, data: Path, shots: int, seeds: int, folder: Path) -> None:
    """One row: the bundles' own figures, which `export` measured through the runtime."""
    found = []
    for seed in range(seeds):
        settings = AdaptSettings(backbone=backbone, shots=shots, seed=seed)
        adapt(data, folder / "run", settings, overwrite=True)
        exported = export(folder / "run", folder / "b.edgefs")
        assert exported.evaluation is not None
        found.append(100 * (exported.evaluation.nearest.balanced_accuracy or 0))
    name = data.name if data.is_dir() else data.parent.name
    print(f"{backbone:13} {name:14} {shots:>2} shots  {interval(found)}  ({seeds} seeds)", flush=True)


def enrolment(backbone: str, data: Path, shots: int, options: argparse.Namespace, folder: Path) -> None:
    """Each class in turn is held out of adapt, then enrolled on the device from five images."""
    figures: dict[str, dict[str, list[float]]] = {}
    classes = options.classes or sorted(path.name for path in data.iterdir() if path.is_dir())
    for label in classes:
        for seed in range(options.seeds):
            settings = AdaptSettings(backbone=backbone, shots=shots, seed=seed, without=(label,))
            run, _ = adapt(data, folder / "run", settings, overwrite=True)
            export(folder / "run", folder / "e.edgefs")
            images = find_images(data / label)
            images.sort(key=lambda path: draw_key(seed, content_digest(path)))
            others = [(data / image.path, image.label) for image in run.record.images.test]
            for name, value in taught(folder, label, images, others).items():
                figures.setdefault(name, {}).setdefault(label, []).append(value)
    print(f"{backbone}, {shots} shots of five classes, a sixth enrolled from 5 images, {options.seeds} seeds")
    print("  " + " " * 46 + "".join(f"{label[:15]:>16}" for label in (*classes, "mean")))
    for name, by_label in figures.items():
        everything = [value for values in by_label.values() for value in values]
        columns = [*(interval(by_label[label]) for label in classes), interval(everything)]
        print(f"  {name:46}" + "".join(f"{column:>16}" for column in columns), flush=True)


def taught(folder: Path, label: str, images: list[Path], others: list[tuple[Path, str]]) -> dict[str, float]:
    """Teach the first five images of `label`; ask about its other images, and those of the other classes."""
    (folder / "gallery").unlink(missing_ok=True)
    asked, labels = images[SHOTS:], [label for _, label in others]
    with Classifier.open(folder / "e.edgefs", gallery=folder / "gallery") as classifier:
        vectors = classifier.embed([*asked, *(path for path, _ in others)])
        before = classifier.judge.decide(vectors)
        classifier.enroll(label, images[:SHOTS], force=True)
        after = classifier.judge.decide(vectors)
    n = len(asked)

    def right(decisions: list) -> float:
        return 100 * float(np.mean([d.nearest == label for d, label in zip(decisions, labels, strict=True)]))

    def refused(decisions: list) -> float:
        return 100 * float(np.mean([decision.label is None for decision in decisions]))

    return {
        "its other images, nearest to it": 100 * float(np.mean([d.nearest == label for d in after[:n]])),
        "the other classes, nearest right before": right(before[n:]),
        "the other classes, nearest right after": right(after[n:]),
        "it, refused as unknown before (caught)": refused(before[:n]),
        "it, refused as unknown after (wrongly)": refused(after[:n]),
        "the other classes, refused before (wrongly)": refused(before[n:]),
        "the other classes, refused after (wrongly)": refused(after[n:]),
    }


def interval(values: list[float] | np.ndarray) -> str:
    half = 1.96 * np.std(values, ddof=1) / np.sqrt(len(values)) if len(values) > 1 else float("nan")
    return f"{np.mean(values):5.1f} ± {half:.1f} %"


if __name__ == "__main__":
    main()
