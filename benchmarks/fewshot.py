"""N-way K-shot episodes with a shipped bundle's embedder through the runtime: our heads beside imprinting.

    python benchmarks/fewshot.py [--seeds 5] [--episodes 100] [--backbone mobilenet_v2]

Frozen backbone, all classes, 15 queries a class, pieces kept apart where they are known; per cent, mean over episodes
of all seeds with the 95 % interval of the mean. Unknown: each class left out in turn; caught and wrongly refused at a
budget of 5 %. Imprinting is the nearest mean of the last stage, averaged over all places (Qi et al. 2018).
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

import numpy as np
from data import data_folder

from edgefs.adapting import adapt
from edgefs.data import load_dataset
from edgefs.embedding import EmbeddingPlan
from edgefs.evaluation.episodes import EpisodePlan, Mean, run_episodes
from edgefs.exporting import export
from edgefs.runs import Run
from edgefs.settings import AdaptSettings
from edgefs_runtime import Classifier
from edgefs_runtime.deciding import DecisionSettings

SETS = {"neu_steel": ("neu_steel", (1, 5, 20)), "magnetic_tile": ("magnetic_tile/parts.csv", (5, 20))}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--episodes", type=int, default=100)
    parser.add_argument("--backbone", default="mobilenet_v2")
    options = parser.parse_args()
    data = data_folder()
    columns = " ".join(f"{column:>13}" for column in ("accuracy", "AUROC", "caught", "wrongly"))
    print(f"{'set':14} {'shots':>5} {'head':12} {columns}  calibration")
    with tempfile.TemporaryDirectory() as folder:
        for name, (place, shots) in SETS.items():
            samples, vectors, plan = embedded(data / place, options.backbone, Path(folder))
            for k in shots:
                for head, columns in (
                    ("imprinting", last_stage(plan)),
                    ("prototype", slice(None)),
                    ("lda", slice(None)),
                ):
                    narrowed = {digest: vector[columns] for digest, vector in vectors.items()}
                    row(name, k, head, samples, narrowed, options)


def embedded(data: Path, backbone: str, folder: Path):
    """Every image of a set through the exported model."""
    adapt(data, folder / "run", AdaptSettings(backbone=backbone, shots=2), overwrite=True)
    export(folder / "run", folder / "b.edgefs")
    dataset = load_dataset(data, leave_out_blank=True)
    with Classifier.open(folder / "b.edgefs", seed_only=True) as classifier:
        vectors = {sample.digest: classifier.embed([sample.path])[0] for sample in dataset.samples}
    return dataset.samples, vectors, EmbeddingPlan.from_json(Run.open(folder / "run").fields["plan"])


def last_stage(plan: EmbeddingPlan) -> slice:
    """The columns of the last stage's average."""
    return next(span for tap, pooling, span in plan.blocks if tap == plan.taps[-1] and pooling == "avg")


def row(name: str, shots: int, head: str, samples, vectors, options: argparse.Namespace) -> None:
    decision = DecisionSettings({"kind": "prototype" if head == "imprinting" else head})
    dispositions = dict.fromkeys({sample.label for sample in samples}, "defect")
    began = time.perf_counter()
    found = [
        run_episodes(samples, vectors, dispositions, decision, EpisodePlan(shots, None, 15, options.episodes, seed))
        for seed in range(options.seeds)
    ]
    seconds = (time.perf_counter() - began) / (options.seeds * options.episodes)
    columns = " ".join(
        f"{pooled([getattr(one, key) for one in found]):>13}"
        for key in ("accuracy", "auroc", "caught", "wrongly_refused")
    )
    error = 100 * np.mean([one.calibration_error for one in found])
    print(f"{name:14} {shots:5} {head:12} {columns}  {error:.1f} %   ({1000 * seconds:.0f} ms an episode)", flush=True)


def pooled(means: list[Mean]) -> str:
    """The mean over seeds; each seed has as many episodes, so the interval narrows with their number."""
    half = float(np.mean([mean.half for mean in means])) / len(means) ** 0.5
    return f"{100 * np.mean([mean.value for mean in means]):.1f} ± {100 * half:.1f}"


if __name__ == "__main__":
    main()
