"""Omniglot: Conv-4 meta-trained through the product, measured on unseen characters from the bundle through the runtime.

    python benchmarks/omniglot.py [--algorithms protonet anil] [--episodes 100] [--seeds 5] [--keep FOLDER]
                                  [--precision bf16]

Learned from: 659 characters of 20 alphabets, each in four turns and mirrored; a tenth of the alphabets validates. Asked
about: 242 characters of other alphabets, 20 drawings each. This is not the split of the papers, which hold 1,200
characters to learn from and take turned ones as classes to test on, too; their figures stand beside ours for the order
of magnitude. `--precision bf16` trains nearly twice as fast where a CPU has it; that is how the ProtoNet of
docs/measurements.md was trained.
"""

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "2")

import argparse
import re
import tempfile
import time
import zipfile
from pathlib import Path

import numpy as np
import torch
from data import data_folder

from edgefs.data import load_dataset
from edgefs.evaluation.episodes import EpisodePlan, draw_episodes
from edgefs.methods.meta import MetaSettings
from edgefs.methods.meta.anil import Anil
from edgefs.pipelines.adapt import adapt
from edgefs.pipelines.evaluate import evaluate_episodes
from edgefs.pipelines.export import export
from edgefs.runs.run import Run
from edgefs.settings.adapt import AdaptSettings
from edgefs_runtime import Classifier

PLANS = ((5, 1), (5, 5), (20, 1), (20, 5))  # ways, shots
PAPERS = {
    "ProtoNet, Snell et al. 2017": ("98.8", "99.7", "96.0", "98.9"),
    "MAML, Finn et al. 2017": ("98.7 ± 0.4", "99.9 ± 0.1", "95.8 ± 0.3", "98.9 ± 0.2"),
    "ANIL, Raghu et al. 2020": ("", "", "96.2 ± 0.5", "98.0 ± 0.3"),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--algorithms", nargs="+", choices=["protonet", "anil"], default=["protonet", "anil"])
    parser.add_argument("--training-episodes", type=int, help="the method's default without it")
    parser.add_argument("--precision", choices=["auto", "fp32", "bf16"], default="auto", help="of the training")
    parser.add_argument("--episodes", type=int, default=100, help="of each seed")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--keep", type=Path, help="folder for RUNs and bundles; a bundle that is there is measured")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        tasks, questions = unpack(data_folder() / "omniglot.zip", Path(temporary))
        folder = options.keep or Path(temporary)
        row("per cent right, 95 % interval", [f"{ways}-way {shots}-shot" for ways, shots in PLANS])
        for paper, figures in PAPERS.items():
            row(paper, list(figures))
        for algorithm in options.algorithms:
            bundle = made(algorithm, tasks, questions, folder, options)
            measured = [through_runtime(bundle, questions, plan, options) for plan in PLANS]
            row(f"edgefs {algorithm}, bundle, nearest mean", measured)
            if algorithm == "anil":
                inner = [by_inner_loop(bundle, questions, plan, options) for plan in PLANS]
                row("edgefs anil, bundle, its inner loop", inner)


def unpack(archive: Path, folder: Path) -> tuple[Path, Path]:
    """The folder of tasks, and a flat folder of the characters that are asked about."""
    with zipfile.ZipFile(archive) as content:
        content.extractall(folder)
    questions = folder / "questions"
    for character in sorted((folder / "test").glob("*/*")):
        character.rename(_parent(questions) / f"{character.parent.name} {character.name}")
    return folder / "train", questions


def _parent(folder: Path) -> Path:
    folder.mkdir(exist_ok=True)
    return folder


def made(algorithm: str, tasks: Path, questions: Path, folder: Path, options: argparse.Namespace) -> Path:
    """The bundle; its gallery holds one drawing of each character, which episodes don't use."""
    run, bundle = folder / f"omniglot-{algorithm}", folder / f"omniglot-{algorithm}.edgefs"
    if bundle.exists():
        return bundle
    meta = MetaSettings(
        tasks=str(tasks),
        algorithm=algorithm,
        class_rotations=True,
        class_mirrors=True,
        episodes=options.training_episodes,
    )
    settings = AdaptSettings(
        method="meta", backbone="conv4", shots=1, own=(meta,), precision=options.precision, name="omniglot"
    )
    wall, cpu = time.monotonic(), time.process_time()
    adapt(questions, run, settings, overwrite=True, tell=print)
    minutes = (time.monotonic() - wall) / 60
    print(f"{algorithm}: trained in {minutes:.0f} minutes, {(time.process_time() - cpu) / 60:.0f} of one core")
    export(run, bundle)
    return bundle


def through_runtime(bundle: Path, questions: Path, plan: tuple[int, int], options: argparse.Namespace) -> str:
    """Accuracy by the bundle's own head."""
    found = []
    for seed in range(options.seeds):
        outcome = evaluate_episodes(bundle, questions, episodes_of(plan, options, seed))
        found.append((outcome.accuracy.value, outcome.accuracy.half))
    mean, half = np.mean([value for value, _ in found]), np.sqrt(np.sum([half**2 for _, half in found])) / len(found)
    return f"{100 * mean:.2f} ± {100 * half:.2f}"


def by_inner_loop(bundle: Path, questions: Path, plan: tuple[int, int], options: argparse.Namespace) -> str:
    """Accuracy of a head that ANIL's inner loop makes of the support, on the bundle's embeddings."""
    samples = load_dataset(questions, leave_out_blank=True).samples
    with Classifier.open(bundle, seed_only=True, challenge=False) as classifier:
        rows = {sample.digest: classifier.embed([sample.path])[0] for sample in samples}
    criterion, right = _criterion(bundle, plan[1]), []
    for seed in range(options.seeds):
        for support, queries in draw_episodes(samples, episodes_of(plan, options, seed)):
            labels = sorted({sample.label for sample in support})
            support.sort(key=lambda sample: sample.label)
            taught, asked = (torch.from_numpy(np.stack([rows[s.digest] for s in side])) for side in (support, queries))
            with torch.no_grad():
                nearest = criterion.logits(taught[None], len(labels), asked[None])[0].argmax(1)
            right.append(np.mean([labels[i] == sample.label for i, sample in zip(nearest, queries, strict=True)]))
    return f"{100 * np.mean(right):.2f} ± {196 * np.std(right, ddof=1) / np.sqrt(len(right)):.2f}"


def _criterion(bundle: Path, shots: int) -> Anil:
    """ANIL with the rates that it has learned, which the RUN tells."""
    notes = " ".join(Run.open(bundle.with_suffix("")).record.notes)
    criterion = Anil(shots, MetaSettings().inner_steps)
    for name, pattern in (("log_scale", r"temperature (\d+(?:\.\d+)?)"), ("log_rate", r"inner rate (\d+(?:\.\d+)?)")):
        value = float(re.search(pattern, notes)[1])
        getattr(criterion, name).data.fill_(np.log(1 / value if name == "log_scale" else value))
    return criterion


def episodes_of(plan: tuple[int, int], options: argparse.Namespace, seed: int) -> EpisodePlan:
    ways, shots = plan
    return EpisodePlan(shots, ways, queries=15, episodes=options.episodes, seed=seed, unknowns=False)


def row(name: str, columns: list[str]) -> None:
    print(f"{name:40}" + "".join(f"{column:>16}" for column in columns), flush=True)


if __name__ == "__main__":
    main()
