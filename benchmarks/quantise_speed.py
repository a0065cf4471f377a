"""int8 against float32 by architecture, random weights: speed alone, on this machine.

    python benchmarks/quantise_speed.py [--backbones resnet18 resnet50 …] [--rounds 30]

One process, one thread, medians of interleaved runs at 224 pixels, batch 1; the embedding of all stages as `adapt`
makes it. `auto` picks the faster. What int8 does to accuracy needs real weights: `precision.py`.
"""

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

import argparse

import numpy as np
import torch

from edgefs.backbones import Backbone, architecture
from edgefs.embedding.network import EmbeddingNetwork, EmbeddingPlan
from edgefs.render import render_training_image
from edgefs_calibration.int8.ranges import collect_ranges
from edgefs_export.onnx.graph import to_onnx
from edgefs_export.quantising import cosine, interleaved, quantise
from edgefs_runtime.embedders.onnx import OnnxEmbedder

SIZE = 224
_BACKBONES = (
    "resnet18",
    "resnet50",
    "mobilenet_v2",
    "squeezenet1_1",
    "mobilenet_v3_small",
    "mobilenet_v3_large",
    "efficientnet_b0",
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--backbones", nargs="+", default=list(_BACKBONES))
    parser.add_argument("--rounds", type=int, default=30)
    options = parser.parse_args()
    pictures = np.stack([render_training_image(np.random.default_rng(n), SIZE) for n in range(12)])
    print(f"{'':20}{'fp32 ms':>10}{'int8 ms':>10}{'times as fast':>15}{'cosine':>10}   auto picks")
    for name in options.backbones:
        torch.manual_seed(0)
        backbone = Backbone(name, architecture(name).eval(), SIZE, "random values", "0" * 64)
        network = EmbeddingNetwork(backbone, EmbeddingPlan.all_stages(backbone, (SIZE, SIZE))).eval()
        model = to_onnx(network, (SIZE, SIZE))
        int8 = quantise(model, collect_ranges(model, pictures[:8]), "cpu")
        seconds = interleaved({"fp32": model, "int8": int8}, (1, SIZE, SIZE, 3), options.rounds)
        alike = cosine(OnnxEmbedder(model).embed(pictures[8:]), OnnxEmbedder(int8).embed(pictures[8:]))
        ratio = seconds["fp32"] / seconds["int8"]
        milliseconds = "".join(f"{1000 * seconds[key]:>10.1f}" for key in ("fp32", "int8"))
        picks = "int8" if ratio > 1.02 else "fp32"
        print(f"{name:20}{milliseconds}{ratio:>15.2f}{alike:>10.4f}   {picks}", flush=True)


if __name__ == "__main__":
    main()
