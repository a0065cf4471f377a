"""MobileNetV2 with its classifier in int8: which of 200 photographs of ImageNet's classes are answered otherwise.

    python benchmarks/classifier_int8.py [--images 200]

Ranges from photographs of another set (bsds500_train), by each estimator; every flip is listed with float32's two best
classes. One thread, medians of interleaved runs.
"""

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

import argparse

import numpy as np
from data import data_folder
from other_runtimes import CLASSES_APART, NAME, WithClassifier, cropped
from PIL import Image
from torchvision.models import get_model_weights

from edgefs.backbones import load_backbone
from edgefs_calibration.int8.ranges import RANGE_ESTIMATORS, collect_ranges
from edgefs_export.onnx.graph import to_onnx
from edgefs_export.quantising import interleaved, quantise
from edgefs_runtime.embedders.onnx import OnnxEmbedder
from edgefs_runtime.images.listing import find_images


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--images", type=int, default=200, help="to calibrate on, at most")
    options = parser.parse_args()
    weights = get_model_weights(NAME).IMAGENET1K_V1
    recipe, names = weights.transforms(), weights.meta["categories"]

    def pixels(folder: str, most: int) -> np.ndarray:
        paths = find_images(data_folder() / folder)[:most]
        return np.stack([cropped(Image.open(path).convert("RGB"), recipe) for path in paths])

    asked, calibration = pixels("imagenet_sample_200", 200), pixels("bsds500_train", options.images)
    truth = CLASSES_APART * np.arange(len(asked))
    backbone = load_backbone(NAME, "IMAGENET1K_V1")
    model = to_onnx(WithClassifier(backbone.network, backbone.mean, backbone.std), asked.shape[1:3])
    expected = logits(model, asked)
    best = expected.argmax(1)
    print(
        f"{NAME}, float32: {(best == truth).sum()} of {len(truth)} right; calibrated on {len(calibration)} photographs"
    )
    for estimator in RANGE_ESTIMATORS:
        int8 = quantise(model, collect_ranges(model, calibration, estimator), "cpu")
        found = logits(int8, asked).argmax(1)
        seconds = interleaved({"fp32": model, "int8": int8}, (1, *asked.shape[1:]))
        flips = np.flatnonzero(found != best)
        print(
            f"int8, {estimator}: {(found == truth).sum()} right, {len(flips)} answers are others, "
            f"{seconds['fp32'] / seconds['int8']:.2f} times as fast"
        )
        for place in flips:
            second = np.argsort(expected[place])[-2]
            apart = expected[place, best[place]] - expected[place, second]
            print(
                f"  {names[truth[place]]}: {names[best[place]]} -> {names[found[place]]} "
                f"(float32's second: {names[second]}, {apart:.2f} behind)"
            )


def logits(model: bytes, pixels: np.ndarray) -> np.ndarray:
    embedder = OnnxEmbedder(model)
    return np.concatenate([embedder.embed(one[None]) for one in pixels])


if __name__ == "__main__":
    main()
