"""What realigning gains after a simulated change of camera or lamp, from shipped bundles through the runtime.

    python benchmarks/realign.py [--seeds 1 2] [--sets steel tile] [--shots 5 20] [--sizes 20 50 200] [--draws 3]

For each bundle, images that taught nothing are divided: at most 20 a class are asked about, batches are drawn from the
others. A batch is balanced, or 95 % of one class, or a fifth of a class that the gallery does not know, or all of that
class. The tables give per cent of the questions whose nearest class is right (balanced over classes) and that are
refused as unknown: before, after plain matching of means, and after each kind of `realign`, which leaves things as they
are where it declines. Means over the changes (`changes.py`), draws and seeds.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from changes import CHANGES, changed
from data import data_folder
from numpy.typing import NDArray
from PIL import Image

from edgefs.pipelines.adapt import adapt
from edgefs.pipelines.export import export
from edgefs.settings.adapt import AdaptSettings
from edgefs_runtime import Classifier
from edgefs_runtime.base.errors import GalleryError
from edgefs_runtime.decision.judge import Judge
from edgefs_runtime.realign.estimate import estimate

SETS = {"steel": Path("neu_steel"), "tile": Path("magnetic_tile/parts.csv")}
FREQUENT = {"steel": "patches", "tile": "free"}
STRANGE = {"steel": "inclusion", "tile": "uneven"}
KINDS = ("mean", "moments", "coral")
ASKED, POOL, FREQUENT_POOL = 20, 40, 200  # images of a class
Rows = NDArray[np.float32]
Figures = dict[tuple[str, int, str, str], list[tuple[float, ...]]]  # regime, size, change, method


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--sets", nargs="+", default=list(SETS), choices=list(SETS))
    parser.add_argument("--shots", type=int, nargs="+", default=[5, 20])
    parser.add_argument("--sizes", type=int, nargs="+", default=[20, 50, 200])
    parser.add_argument("--changes", nargs="+", default=list(CHANGES), choices=list(CHANGES))
    parser.add_argument("--draws", type=int, default=3)
    options = parser.parse_args()
    data = data_folder()
    with tempfile.TemporaryDirectory() as folder:
        for name in options.sets:
            for shots in options.shots:
                figures: Figures = {}
                for seed in options.seeds:
                    settings = AdaptSettings(backbone="mobilenet_v2", head="lda", shots=shots, seed=seed)
                    run, _ = adapt(data / SETS[name], Path(folder) / "run", settings, overwrite=True)
                    export(Path(folder) / "run", Path(folder) / "b.edgefs")
                    root = data / SETS[name] if (data / SETS[name]).is_dir() else (data / SETS[name]).parent
                    images = [(root / image.path, image.label) for image in run.record.images.test]
                    measure(figures, Path(folder), name, images, seed, options)
                    report(f"{name}, {shots} shots, seeds up to {seed}", figures)


def measure(
    figures: Figures, folder: Path, name: str, images: list[tuple[Path, str]], seed: int, options: argparse.Namespace
) -> None:
    """One bundle: its images under every change, in batches of every kind."""
    asked, pool = divided(images, FREQUENT[name], seed)
    (folder / "g").unlink(missing_ok=True)
    with Classifier.open(folder / "b.edgefs", gallery=folder / "g", threads=1) as classifier:
        whole = classifier.judge
        labels = np.array([label for _, label in (*asked, *pool)])
        embedded = {}
        for change in options.changes:
            seen = [changed(Image.open(path), change, number) for number, (path, _) in enumerate((*asked, *pool))]
            embedded[change] = classifier.embed(seen)
        classifier.forget(STRANGE[name])
        part = classifier.judge
    for change, rows in embedded.items():
        questions, batch_rows = rows[: len(asked)], rows[len(asked) :]
        to_ask, to_draw = labels[: len(asked)], labels[len(asked) :]
        for regime in ("balanced", "95 % one class", "20 % unknown", "unknown alone"):
            judge = part if "unknown" in regime else whole
            for size in options.sizes if regime != "unknown alone" else options.sizes[1:2]:
                for draw in range(options.draws):
                    chosen = drawn(to_draw, judge, regime, size, FREQUENT[name], np.random.default_rng((seed, draw)))
                    for method, mapped in maps(judge, batch_rows[chosen]):
                        told = answered(judge, mapped(questions), to_ask)
                        figures.setdefault((regime, size, change, method), []).append((*told, mapped.refused))


def divided(
    images: list[tuple[Path, str]], frequent: str, seed: int
) -> tuple[list[tuple[Path, str]], list[tuple[Path, str]]]:
    """Images to ask about and images to draw batches from."""
    order = np.random.default_rng(seed).permutation(len(images))
    asked, pool = [], []
    for label in sorted({label for _, label in images}):
        own = [images[place] for place in order if images[place][1] == label]
        first = min(ASKED, len(own) // 3)
        asked += own[:first]
        pool += own[first : first + (FREQUENT_POOL if label == frequent else POOL)]
    return asked, pool


def drawn(
    labels: NDArray[np.str_], judge: Judge, regime: str, size: int, frequent: str, rng: np.random.Generator
) -> NDArray[np.int64]:
    """Positions of a batch's images, none twice; a class that has too few gives all it has."""
    known = np.array(judge.snapshot.labels)
    strange = np.setdiff1d(labels, known)
    wanted = np.resize(rng.permutation(known), size)
    if regime == "95 % one class":
        wanted = np.where(rng.random(size) < 0.95, frequent, rng.choice(known[known != frequent], size))
    elif "unknown" in regime:
        wanted = np.where(rng.random(size) < (0.2 if "20" in regime else 1.1), strange[:1], wanted)
    found = []
    for label, count in zip(*np.unique(wanted, return_counts=True), strict=True):
        found.append(rng.permutation(np.flatnonzero(labels == label))[:count])
    return rng.permutation(np.concatenate(found))


class Mapped:
    """What a method makes of questions, and whether it refused the batch."""

    def __init__(self, function: object, refused: bool = False) -> None:
        self._function = function
        self.refused = float(refused)

    def __call__(self, rows: Rows) -> Rows:
        """Rows `[N,D]` mapped."""
        return rows if self._function is None else self._function(rows)  # type: ignore[operator]


def maps(judge: Judge, batch: Rows) -> Iterator[tuple[str, Mapped]]:
    """Each method with what it does to questions."""
    yield "before", Mapped(None)
    snapshot = judge.snapshot
    means = [snapshot.rows[snapshot.classes == label].mean(axis=(0, 1)) for label in range(len(snapshot.labels))]
    shift = batch.mean(axis=0) - np.mean(means, axis=0)

    def plain(rows: Rows) -> Rows:
        moved = rows - shift
        return np.asarray(moved / np.linalg.norm(moved, axis=1, keepdims=True), np.float32)

    yield "plain means", Mapped(plain)
    for kind in KINDS:
        try:
            found = estimate(batch, snapshot, kind)  # type: ignore[arg-type]
            yield kind, Mapped(None, refused=True) if found.doubt else Mapped(found.alignment)
        except GalleryError:
            yield kind, Mapped(None, refused=True)


def answered(judge: Judge, rows: Rows, labels: NDArray[np.str_]) -> tuple[float, float, float]:
    """Balanced accuracy and refused share of the questions of known classes, and refused share of the others."""
    decisions = judge.decide(rows)
    right = np.array([one.nearest for one in decisions]) == labels
    refused = np.array([one.label is None for one in decisions])
    known = np.isin(labels, judge.snapshot.labels)
    accuracy = np.mean([right[labels == label].mean() for label in np.unique(labels[known])])
    strange = refused[~known].mean() if (~known).any() else np.nan
    return 100 * float(accuracy), 100 * float(refused[known].mean()), 100 * float(strange)


def report(title: str, figures: Figures) -> None:
    """One table, and each change for balanced batches of the middle size."""
    print(
        f"\n{title}: accuracy / wrongly refused (/ unknown caught); declined = batches that realign refused", flush=True
    )
    methods = list(dict.fromkeys(method for *_, method in figures))
    for regime, size in dict.fromkeys((regime, size) for regime, size, _, _ in figures):
        for what in ("changed", "unchanged"):
            columns = []
            for method in methods:
                by_change = [
                    np.mean(values, axis=0)
                    for (at, n, change, by), values in figures.items()
                    if (at, n, by) == (regime, size, method) and (change == "none") == (what == "unchanged")
                ]
                if by_change:
                    columns.append(f"{method} {said(np.array(by_change))}")
            print(f"  {regime:15} {size:>4} {what:9}  " + " | ".join(columns), flush=True)
    middle = sorted({size for _, size, _, _ in figures})[:2][-1]
    for change in dict.fromkeys(change for _, _, change, _ in figures):
        columns = []
        for regime in ("balanced", "95 % one class"):
            for method in methods:
                if values := figures.get((regime, middle, change, method)):
                    columns.append(f"{method} {said(np.array(values).mean(axis=0)[None])}")
        print(f"  {change:13} {middle:>4}  " + " | ".join(columns), flush=True)


def said(found: NDArray[np.float64]) -> str:
    """Means over changes of (accuracy, refused, caught, declined)."""
    accuracy, refused, caught, declined = found.mean(axis=0)
    text = f"{accuracy:.1f} / {refused:.1f}"
    text += "" if np.isnan(caught) else f" / {caught:.0f}"
    return text + (f" ({100 * declined:.0f} % declined)" if declined else "")


if __name__ == "__main__":
    main()
