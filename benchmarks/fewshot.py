"""N-way K-shot episodes with a shipped bundle's embedder through the runtime: edgefs beside what others do.

    python benchmarks/fewshot.py [--seeds 5] [--episodes 100] [--backbone mobilenet_v2] [--only PART]

Frozen backbone, all classes, 15 queries a class, pieces kept apart where they are known; the same episodes for all. Per
cent, mean over the episodes of all seeds with the 95 % interval of the mean; milliseconds of one episode (fit and 90
answers) on one core.

- ours: the bundle's embedding (all stages, projected, eight views of an image that teaches) with edgefs's heads.
- peers: imprinting (nearest mean of the last stage's average, Qi et al. 2018), easyfsl's methods (`pip install
  easyfsl`, their defaults) and scikit-learn's classifiers, on the last stage's average and on the bundle's embedding.
  Methods marked * are transductive: they see all 90 queries at once, equally many of each class.
- uneven: half of the classes, drawn for each episode, are known from one image, or three, beside K of the others.
- unknown: each class left out in turn; area under the curve, and what is caught and wrongly refused at budgets of 5 %
  and 1 %, by edgefs and by other scores on the same embedding, all with the same rule for p-values.
- buffer: `blend` refined by 200 unlabelled images beside support and queries, as `edgefs gallery refine` does it.
"""

from __future__ import annotations

import os

for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):  # before numpy: one core, as the times are stated
    os.environ.setdefault(name, "1")

import argparse
import dataclasses
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np
from data import data_folder
from PIL import Image
from scores import SCORES

from edgefs.data import Sample, load_dataset
from edgefs.data.splits.parts import draw_key
from edgefs.embedding.enrolments import Embedded, rows_of, snapshot_of
from edgefs.embedding.network import EmbeddingPlan
from edgefs.evaluation.auroc import auroc
from edgefs.evaluation.calibration import calibration_error
from edgefs.evaluation.episodes import EpisodePlan, draw_episodes
from edgefs.pipelines.adapt import adapt
from edgefs.pipelines.export import export
from edgefs.render import write_line
from edgefs.runs.run import Run
from edgefs.settings.adapt import AdaptSettings
from edgefs_runtime import Classifier
from edgefs_runtime.base.wording import counted
from edgefs_runtime.decision.heads import HEADS
from edgefs_runtime.decision.judge import Judge
from edgefs_runtime.decision.rejection import fit_rejection
from edgefs_runtime.decision.settings import DecisionSettings
from edgefs_runtime.decision.snapshot import Snapshot, extended
from edgefs_runtime.teach.enrolment import Seen
from edgefs_runtime.teach.refine import refinements

SHOTS = {"neu_steel": (1, 5, 20), "magnetic_tile": (5, 20), "digits": (1, 5, 20), "rendered_parts": (1, 5, 20)}
FIRST = ("neu_steel", "magnetic_tile")  # the sets of the large table in docs/measurements.md
IMAGES = 60  # of each class of the sets that are made here
BUDGETS = (0.05, 0.01)
BUFFER = 200  # unlabelled images
FEW = (1, 3)  # images of a rare class


@dataclasses.dataclass(frozen=True)
class Material:
    """One set through a bundle: its embedding, and the last stage's average."""

    samples: tuple[Sample, ...]
    ours: Embedded
    last: Embedded


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--episodes", type=int, default=100)
    parser.add_argument("--peer-episodes", type=int, help="of each seed, for the peers; as many without it")
    parser.add_argument("--backbone", default="mobilenet_v2")
    parser.add_argument("--shots", type=int, help="only these")
    parser.add_argument("--sets", nargs="+", choices=tuple(SHOTS), default=FIRST)
    parser.add_argument("--only", nargs="+", choices=tuple(PARTS))
    parser.add_argument("--jobs", type=int, default=2, help="processes of one core each")
    options = parser.parse_args()
    data = data_folder()
    parts = options.only or tuple(PARTS)
    with tempfile.TemporaryDirectory() as folder, ProcessPoolExecutor(options.jobs) as pool:
        for name in options.sets:
            shots = SHOTS[name]
            if options.shots not in (None, *shots):
                continue
            material = embedded(made(name, data, Path(folder)), options.backbone, Path(folder), turned=name != "digits")
            for k in [number for number in shots if options.shots in (None, number)]:
                plans = [EpisodePlan(k, None, 15, options.episodes, seed) for seed in range(options.seeds)]
                for part in parts:
                    if part == "buffer" and k > 5:
                        continue  # classes of more images are never refined
                    fewer = options.peer_episodes if part == "peers" else None
                    asked = [dataclasses.replace(plan, episodes=fewer or plan.episodes) for plan in plans]
                    rows = pool.map(PARTS[part], [material] * len(plans), asked)
                    TABLES[part](f"{name}, {counted(k, 'shot')}", merged(rows))


def made(name: str, data: Path, folder: Path) -> Path:
    """Where a set lies; two are written here: handwritten digits, which may not be turned, and rendered parts."""
    if name == "rendered_parts":
        write_line(folder / name, IMAGES, 7)
    elif name == "digits":
        archive = np.load(data / "mnist.npz")
        for label in range(10):
            (folder / name / str(label)).mkdir(parents=True)
            for number in np.flatnonzero(archive["y_test"] == label)[:IMAGES]:
                pixels = Image.fromarray(archive["x_test"][number]).resize((112, 112))
                pixels.save(folder / name / str(label) / f"{number}.png")
    else:
        return data / ("magnetic_tile/parts.csv" if name == "magnetic_tile" else name)
    return folder / name


def embedded(data: Path, backbone: str, folder: Path, turned: bool) -> Material:
    """Every image of a set through two exported models: as edgefs embeds, and the bare stages."""
    found = []
    for dim in (512, 0):
        settings = AdaptSettings(backbone=backbone, shots=2, dim=dim, symmetries=None if turned and dim else ())
        adapt(data, folder / "run", settings, overwrite=True)
        export(folder / "run", folder / "b.edgefs")
        dataset = load_dataset(data, leave_out_blank=True)
        with Classifier.open(folder / "b.edgefs", seed_only=True) as classifier:
            views = classifier.bundle.manifest.preprocess.views
            taught = {sample.digest: classifier.embed([sample.path], views=True)[0] for sample in dataset.samples}
        found.append(Embedded.of_views(taught, views))
    plan = EmbeddingPlan.from_json(Run.open(folder / "run").record.plan)
    span = next(span for tap, pooling, span in plan.blocks if tap == plan.taps[-1] and pooling == "avg")
    last = {digest: vector[span] for digest, vector in found[1].asked.items()}
    return Material(dataset.samples, found[0], Embedded(last, last))


def merged(rows: Iterator[dict[str, dict[str, list]]]) -> dict[str, dict[str, list]]:
    """The values of all seeds, by method and figure."""
    whole: dict[str, dict[str, list]] = {}
    for one in rows:
        for method, figures in one.items():
            for figure, values in figures.items():
                whole.setdefault(method, {}).setdefault(figure, []).extend(values)
    return whole


def balanced(nearest: list[str], queries: list[Sample]) -> float:
    right: dict[str, list[bool]] = {}
    for label, sample in zip(nearest, queries, strict=True):
        right.setdefault(sample.label, []).append(label == sample.label)
    return float(np.mean([np.mean(one) for one in right.values()]))


def decision(kind: str) -> DecisionSettings:
    return DecisionSettings({"kind": kind})


def dispositions_of(samples: list[Sample]) -> dict[str, str]:
    return dict.fromkeys({sample.label for sample in samples}, "defect")


def ours(material: Material, plan: EpisodePlan) -> dict[str, dict[str, list]]:
    figures: dict[str, dict[str, list]] = {}
    for support, queries in draw_episodes(material.samples, plan):
        for kind in HEADS:
            row = figures.setdefault(kind, {"accuracy": [], "ms": [], "confident": []})
            began = time.perf_counter()
            judge = Judge(snapshot_of(support, material.ours, dispositions_of(support)), decision(kind))
            answers = judge.decide(rows_of(queries, material.ours))
            row["ms"].append(1000 * (time.perf_counter() - began))
            row["accuracy"].append(balanced([answer.nearest for answer in answers], queries))
            row["confident"] += [
                (answer.probability, answer.nearest == sample.label)
                for answer, sample in zip(answers, queries, strict=True)
            ]
    return figures


def uneven(material: Material, plan: EpisodePlan) -> dict[str, dict[str, list]]:
    figures: dict[str, dict[str, list]] = {}
    for number, (support, queries) in enumerate(draw_episodes(material.samples, plan)):
        labels = {sample.label for sample in support}
        rare = sorted(labels, key=lambda label: draw_key(plan.seed * 1000 + number, "rare", label))[: len(labels) // 2]
        asked = rows_of(queries, material.ours)
        for few in [few for few in FEW if few < plan.shots]:
            left = dict.fromkeys(rare, few)
            taught = []
            for sample in support:
                left[sample.label] = left.get(sample.label, plan.shots) - 1
                if left[sample.label] >= 0:
                    taught.append(sample)
            snapshot = snapshot_of(taught, material.ours, dispositions_of(taught))
            for kind in HEADS:
                began = time.perf_counter()
                answers = Judge(snapshot, decision(kind)).decide(asked)
                row = figures.setdefault(f"{few} of half of them, {kind}", {"accuracy": [], "ms": []})
                row["ms"].append(1000 * (time.perf_counter() - began))
                row["accuracy"].append(balanced([answer.nearest for answer in answers], queries))
    return figures


def peers(material: Material, plan: EpisodePlan) -> dict[str, dict[str, list]]:
    from peers import PEERS

    figures: dict[str, dict[str, list]] = {}
    for support, queries in draw_episodes(material.samples, plan):
        labels = sorted({sample.label for sample in support})
        classes = np.array([labels.index(sample.label) for sample in support])
        for where, embeddings in (("last stage", material.last), ("edgefs", material.ours)):
            shown, asked = rows_of(support, embeddings), rows_of(queries, embeddings)
            for name, (method, signed) in PEERS.items():
                if where == "edgefs" and not signed:
                    continue
                row = figures.setdefault(f"{name}, {where}", {"accuracy": [], "ms": []})
                began = time.perf_counter()
                nearest = method(shown, classes, asked)
                row["ms"].append(1000 * (time.perf_counter() - began))
                row["accuracy"].append(balanced([labels[n] for n in nearest], queries))
    return figures


def unknown(material: Material, plan: EpisodePlan) -> dict[str, dict[str, list]]:
    figures: dict[str, dict[str, list]] = {}
    for support, queries in draw_episodes(material.samples, plan):
        asked = rows_of(queries, material.ours)
        turns: dict[str, dict[str, list]] = {}
        for label in sorted({sample.label for sample in support}):
            taught = [sample for sample in support if sample.label != label]
            snapshot = snapshot_of(taught, material.ours, dispositions_of(taught))
            stranger = np.array([sample.label == label for sample in queries])
            for name, score in SCORES.items():
                row = turns.setdefault(name, {})
                left_out, answer = score(snapshot, asked)
                for budget in BUDGETS:
                    rejection = fit_rejection(left_out, snapshot.classes, budget)
                    refused = rejection.p_values(answer) <= budget
                    row.setdefault(f"caught {budget:g}", []).append(float(refused[stranger].mean()))
                    row.setdefault(f"wrongly {budget:g}", []).append(float(refused[~stranger].mean()))
                strangeness = rejection.strangeness(answer)
                row.setdefault("auroc", []).append(auroc(strangeness[~stranger], strangeness[stranger]))
        for name, row in turns.items():
            for figure, values in row.items():
                figures.setdefault(name, {}).setdefault(figure, []).append(float(np.mean(values)))
    return figures


def buffer(material: Material, plan: EpisodePlan) -> dict[str, dict[str, list]]:
    figures: dict[str, dict[str, list]] = {}
    for number, (support, queries) in enumerate(draw_episodes(material.samples, plan)):
        labels = sorted({sample.label for sample in support})
        unknown, most = labels[number % len(labels)], labels[(number + 1 + number // len(labels)) % len(labels)]
        most = labels[(labels.index(unknown) + 1) % len(labels)] if most == unknown else most
        taken = {name for sample in (*support, *queries) for name in (sample.group, sample.digest) if name}
        free = [sample for sample in material.samples if not taken & {sample.group, sample.digest}]
        free.sort(key=lambda sample: draw_key(plan.seed * 1000 + number, "buffer", sample.digest))
        of = {label: [sample for sample in free if sample.label == label] for label in labels}
        few = BUFFER // 20
        spread = [label for label in labels if label != most]
        for name, left_out, shares in (
            ("balanced", None, {label: BUFFER // len(labels) for label in labels}),
            ("95 % one class, 5 % unknown", unknown, {most: BUFFER - few, unknown: few}),
            ("95 % one class, 5 % others", unknown, {most: BUFFER - few, **dict.fromkeys(spread, few // len(spread))}),
        ):
            taught = [sample for sample in support if sample.label != left_out]
            asked = [sample for sample in queries if sample.label != left_out]
            rows = rows_of([sample for label, share in shares.items() for sample in of[label][:share]], material.ours)
            snapshot = snapshot_of(taught, material.ours, dispositions_of(taught))
            row = figures.setdefault(name, {"before": [], "after": [], "gain": []})
            found = [balanced(nearest_of(one, asked, material), asked) for one in (snapshot, refined(snapshot, rows))]
            for key, value in zip(row, (*found, found[1] - found[0]), strict=True):
                row[key].append(value)
    return figures


def refined(snapshot: Snapshot, rows: np.ndarray) -> Snapshot:
    """Snapshot with what `Classifier.refine` would teach it."""
    seen = [Seen(row, str(number)) for number, row in enumerate(rows)]
    for enrolment, _ in refinements(snapshot, seen, ()):
        snapshot = extended(snapshot, enrolment, [0] * len(enrolment.vectors))
    return snapshot


def nearest_of(snapshot: Snapshot, asked: list[Sample], material: Material) -> list[str]:
    answers = Judge(snapshot, decision("blend")).decide(rows_of(asked, material.ours))
    return [answer.nearest for answer in answers]


def percent(values: list[float]) -> str:
    half = 1.96 * np.std(values, ddof=1) / len(values) ** 0.5 if len(values) > 1 else float("nan")
    return f"{100 * np.mean(values):.1f} ± {100 * half:.1f}"


def accuracy_table(title: str, rows: dict[str, dict[str, list]]) -> None:
    for name, row in rows.items():
        error = f"   calibration error {100 * calibration_error(row['confident']):.1f}" if "confident" in row else ""
        print(f"{title:24} {name:34} {percent(row['accuracy']):>11}  {np.median(row['ms']):8.1f} ms{error}", flush=True)


def unknown_table(title: str, rows: dict[str, dict[str, list]]) -> None:
    for name, row in rows.items():
        pairs = "   ".join(
            f"{100 * b:g} %: caught {percent(row[f'caught {b:g}'])}, wrongly {percent(row[f'wrongly {b:g}'])}"
            for b in BUDGETS
        )
        print(f"{title:24} {name:22} AUROC {percent(row['auroc']):>11}   {pairs}", flush=True)


def buffer_table(title: str, rows: dict[str, dict[str, list]]) -> None:
    for name, row in rows.items():
        columns = "   ".join(f"{key} {percent(values):>12}" for key, values in row.items())
        print(f"{title:24} {name:34} {columns}", flush=True)


PARTS: dict[str, Callable] = {"ours": ours, "uneven": uneven, "peers": peers, "unknown": unknown, "buffer": buffer}
TABLES: dict[str, Callable] = {
    "ours": accuracy_table,
    "uneven": accuracy_table,
    "peers": accuracy_table,
    "unknown": unknown_table,
    "buffer": buffer_table,
}

if __name__ == "__main__":
    main()
