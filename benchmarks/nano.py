"""`nano` beside imprinting on MobileNetV2 and beside a slice of it: few-shot accuracy and CPU time.

    python benchmarks/nano.py [--seeds 5] [--episodes 100] [--students RUN …] [--only accuracy|time|renderer]

Accuracy: per cent right, balanced over classes, 6-way episodes with 15 queries a class of exported bundles through the
runtime, frozen, `blend`; mean over the episodes of all seeds with the 95 % interval of the mean. The slice is the first
eleven blocks of MobileNetV2 at 112 pixels. Imprinting is the nearest mean of the last stage's average (Qi et al. 2018);
it needs `pip install easyfsl`, as the other peers. RUNs of `edgefs distill` are measured as `nano` is.

Time: one embedding, one thread, medians of interleaved runs, MobileNetV2 in float32 at 224 pixels being 1. Renderer:
training pictures a second on two cores.
"""

from __future__ import annotations

import os

for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):  # before numpy: one core, as the times are stated
    os.environ.setdefault(name, "1")

import argparse
import dataclasses
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np
from data import data_folder
from fewshot import Material, balanced, decision, dispositions_of, embedded, made, merged, percent
from peers import PEERS
from torch import nn

from edgefs.backbones import BACKBONES, Backbone, load_backbone
from edgefs.backbones.weights import state_digest
from edgefs.distilling.pictures import Rendered
from edgefs.embedding.enrolments import rows_of, snapshot_of
from edgefs.embedding.network import EmbeddingNetwork, EmbeddingPlan
from edgefs.evaluation.episodes import EpisodePlan, draw_episodes
from edgefs.render import render_training_image
from edgefs_calibration.int8.ranges import collect_ranges
from edgefs_export.onnx.graph import to_onnx
from edgefs_export.quantising import quantise
from edgefs_runtime.decision.judge import Judge
from edgefs_runtime.embedders.onnx import OnnxEmbedder

SLICE = "mobilenet_v2 slice"
PLANS = (("neu_steel", 5), ("neu_steel", 20), ("magnetic_tile", 5), ("magnetic_tile", 20))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--episodes", type=int, default=100)
    parser.add_argument("--backbones", nargs="+", default=["mobilenet_v2", SLICE, "nano"])
    parser.add_argument("--students", nargs="*", default=[], help="RUNs of `edgefs distill`")
    parser.add_argument("--only", choices=["accuracy", "time", "renderer"])
    parser.add_argument("--jobs", type=int, default=2, help="processes of one core each")
    options = parser.parse_args()
    data_folder()
    BACKBONES[SLICE] = sliced
    backbones = [*options.backbones, *options.students]
    if options.only in (None, "accuracy"):
        accuracy(backbones, options)
    if options.only in (None, "time"):
        times(backbones)
    if options.only in (None, "renderer"):
        renderer()


def sliced(_weights: str | None = None) -> Backbone:
    """First eleven blocks of MobileNetV2, 0.24 million weights."""
    whole = load_backbone("mobilenet_v2")
    network = nn.Sequential(*list(whole.network.features)[:11]).eval()
    return dataclasses.replace(whole, name=SLICE, network=network, size=112, digest=state_digest(network))


def accuracy(backbones: list[str], options: argparse.Namespace) -> None:
    print(f"{'per cent right':40}" + "".join(f"{f'{name} {shots}':>20}" for name, shots in PLANS), flush=True)
    for backbone in backbones:
        columns: dict[str, list[str]] = {}
        with tempfile.TemporaryDirectory() as folder, ProcessPoolExecutor(options.jobs) as pool:
            for name in dict.fromkeys(name for name, _ in PLANS):
                material = embedded(made(name, data_folder(), Path(folder)), backbone, Path(folder), turned=True)
                for shots in [shots for other, shots in PLANS if other == name]:
                    plans = [EpisodePlan(shots, None, 15, options.episodes, seed) for seed in range(options.seeds)]
                    for method, row in merged(pool.map(episodes, [material] * len(plans), plans)).items():
                        columns.setdefault(method, []).append(percent(row["accuracy"]))
        for method, row in columns.items():
            print(f"{f'{backbone}, {method}':40}" + "".join(f"{cell:>20}" for cell in row), flush=True)


def episodes(material: Material, plan: EpisodePlan) -> dict[str, dict[str, list]]:
    """Our head on our embedding, and imprinting on the last stage."""
    right: dict[str, dict[str, list]] = {"blend": {"accuracy": []}, "imprinting": {"accuracy": []}}
    imprint, _ = PEERS["imprinting"]
    for support, queries in draw_episodes(material.samples, plan):
        judge = Judge(snapshot_of(support, material.ours, dispositions_of(support)), decision("blend"))
        answers = judge.decide(rows_of(queries, material.ours))
        right["blend"]["accuracy"].append(balanced([answer.nearest for answer in answers], queries))
        labels = sorted({sample.label for sample in support})
        classes = np.array([labels.index(sample.label) for sample in support])
        nearest = imprint(rows_of(support, material.last), classes, rows_of(queries, material.last))
        right["imprinting"]["accuracy"].append(balanced([labels[n] for n in nearest], queries))
    return right


def times(backbones: list[str], rounds: int = 60) -> None:
    """Time the embedding alone; decoding, resizing and the head cost the same for all."""
    models, frames = {}, {}
    for name in backbones:
        backbone = load_backbone(name)
        size = (backbone.size, backbone.size)
        pictures = np.stack([render_training_image(np.random.default_rng(n), backbone.size) for n in range(8)])
        model = to_onnx(EmbeddingNetwork(backbone, EmbeddingPlan.all_stages(backbone, size)).eval(), size)
        for kind, content in (("fp32", model), ("int8", quantise(model, collect_ranges(model, pictures), "cpu"))):
            models[name, kind], frames[name, kind] = OnnxEmbedder(content, threads=1), pictures[:1]
    seconds: dict[tuple[str, str], list[float]] = {key: [] for key in models}
    for turn in range(rounds + 5):
        for key, model in models.items():
            began = time.perf_counter()
            model.embed(frames[key])
            if turn >= 5:
                seconds[key].append(time.perf_counter() - began)
    one = float(np.median(seconds[backbones[0], "fp32"]))
    print(
        f"{'time of one embedding':40}{'fp32 ms':>12}{'int8 ms':>12}{'fp32':>10}{'int8':>10}",
        f"  of {backbones[0]} in fp32",
    )
    for name in backbones:
        both = [float(np.median(seconds[name, kind])) for kind in ("fp32", "int8")]
        told = "".join(f"{1000 * value:>12.2f}" for value in both) + "".join(f"{value / one:>10.3f}" for value in both)
        print(f"{name:40}{told}", flush=True)


def renderer(count: int = 1000, side: int = 128) -> None:
    """Time the renderer without the second that its processes take to start."""
    chunks = Rendered(count, side, 0, 2).draw(1, (0, 1))
    first = len(next(chunks))
    began = time.perf_counter()
    rest = sum(len(chunk) for chunk in chunks)
    print(f"renderer: {rest / (time.perf_counter() - began):.0f} pictures of {side} pixels a second on two cores")
    assert first + rest == count


if __name__ == "__main__":
    main()
