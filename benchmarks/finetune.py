"""Fine-tuning beside the frozen network, and L2-SP beside plain fine-tuning: adapt, export, ask the shipped bundle.

    python benchmarks/finetune.py [--seeds 0 1 2 3 4] [--only methods|l2sp] [--sets magnetic_tile neu_steel]
                                  [--shots 5 20]

Prints tables of docs/measurements.md: per cent of the images not learned from whose nearest class is right, balanced
over classes, mean over seeds with the 95 % interval of the mean, and of the paired difference. MobileNetV2 at 224
pixels; magnetic tile keeps pieces apart (`parts.csv`). The table of penalties tests on at most 400 images a
seed and without folds, so that it ends within the hour on two cores.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

import numpy as np
from accuracy import interval
from data import data_folder

from edgefs.methods.finetune import FinetuneSettings
from edgefs.pipelines.adapt import adapt
from edgefs.pipelines.export import export
from edgefs.settings.adapt import AdaptSettings

_PLACES = {"magnetic_tile": Path("magnetic_tile/parts.csv"), "neu_steel": Path("neu_steel")}
_METHODS = {"magnetic_tile": (20, ("features", "finetune", "auto")), "neu_steel": (5, ("features", "finetune", "auto"))}
_PENALTIES = (0.0, 0.01, 0.1, 1.0)  # λ


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2, 3, 4])
    parser.add_argument("--sets", nargs="+", choices=list(_PLACES), default=list(_PLACES))
    parser.add_argument("--only", choices=["methods", "l2sp"])
    parser.add_argument("--methods", nargs="+")
    parser.add_argument("--shots", type=int, nargs="+", default=[5, 20], help="of the table of penalties")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        for name in options.sets:
            if options.only != "l2sp":
                methods(name, options, Path(folder))
            if options.only != "methods":
                for shots in options.shots:
                    penalties(name, shots, options.seeds, Path(folder))


def methods(name: str, options: argparse.Namespace, folder: Path) -> None:
    """Each method's bundles, on the same splits; what `auto` chose beside it."""
    shots, known = _METHODS[name]
    found: dict[str, list[float]] = {}
    for seed in options.seeds:
        for method in options.methods or known:
            settings = AdaptSettings(method=method, backbone="mobilenet_v2", shots=shots, seed=seed)
            run, _ = adapt(data_folder() / _PLACES[name], folder / "run", settings, overwrite=True)
            exported = export(folder / "run", folder / "b.edgefs")
            assert exported.evaluation is not None
            accuracy = 100 * (exported.evaluation.nearest.balanced_accuracy or 0)
            refused = exported.evaluation.rates.refused.value
            found.setdefault(method, []).append(accuracy)
            chose = f"  ({run.record.method})" if method == "auto" else ""
            print(
                f"  {name} {shots} shots, seed {seed}, {method}{chose}: {accuracy:.1f}, refused {100 * refused:.1f} %",
                flush=True,
            )
    first = found.get("features")
    for method, values in found.items():
        beside = f"  against features {interval(np.subtract(values, first))}" if first and method != "features" else ""
        print(f"{name:14} {shots:>2} shots  {method:9} {interval(values)}{beside}", flush=True)


def penalties(name: str, shots: int, seeds: list[int], folder: Path) -> None:
    """λ of L2-SP against none, the same splits and order of images; the trained network, not exported."""
    found: dict[float, list[float]] = {}
    for seed in seeds:
        for strength in _PENALTIES:
            settings = AdaptSettings(
                method="finetune",
                backbone="mobilenet_v2",
                shots=shots,
                seed=seed,
                own=(FinetuneSettings(folds=0, l2sp=strength),),
            )
            _, measured = adapt(data_folder() / _PLACES[name], folder / "run", settings, overwrite=True)
            assert measured.test is not None
            found.setdefault(strength, []).append(100 * (measured.test.evaluation.nearest.balanced_accuracy or 0))
    for strength, values in found.items():
        beside = "" if strength == 0 else f"  against none {interval(np.subtract(values, found[0.0]))}"
        print(f"{name:14} {shots:>2} shots  L2-SP λ = {strength:<5g} {interval(values)}{beside}", flush=True)


if __name__ == "__main__":
    main()
