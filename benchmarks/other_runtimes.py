"""Other people's runtimes on what edgefs exports: the same answers as torch, and as our own runtime.

    pip install openvino
    python benchmarks/other_runtimes.py

Two tables. torchvision's MobileNetV2 *with its classifier*, normalisation inside, against torchvision's own network and
transforms on the 200 photographs of `imagenet_sample_200`: top-1 that is the same, top-1 that is right, and the largest
difference of a logit. Then `embedder.onnx` of a bundle of the demo's parts: the nearest class by the bundle's gallery,
against the runtime's. `plain.py` runs both in processes of their own that import no edgefs.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from importlib.metadata import version
from pathlib import Path

import numpy as np
import torch
from data import data_folder
from numpy.typing import NDArray
from PIL import Image
from plain import RUNTIMES
from torch import Tensor, nn
from torchvision.models import get_model, get_model_weights
from torchvision.transforms import functional as transforms

from edgefs.backbones import load_backbone
from edgefs.pipelines.adapt import adapt
from edgefs.pipelines.export import export
from edgefs.render import PART_KINDS, write_line
from edgefs.settings.adapt import AdaptSettings
from edgefs_export.onnx.graph import to_onnx
from edgefs_runtime import Bundle, Classifier
from edgefs_runtime.bundle.golden import relative_difference
from edgefs_runtime.images.listing import find_images

NAME = "mobilenet_v2"
CLASSES_APART = 5  # photograph i of the set is of ImageNet's class 5 i
SHOTS, ASKED = 5, 10  # parts of each kind


class WithClassifier(nn.Module):
    """uint8 RGB `[N,H,W,3]` to a torchvision network's logits `[N,C]`: pixels in, as in an embedder."""

    def __init__(self, network: nn.Module, mean: tuple[float, ...], std: tuple[float, ...]) -> None:
        super().__init__()
        self.network = network
        centre, spread = (torch.tensor(values).view(1, 3, 1, 1) for values in (mean, std))
        self.register_buffer("scale", 1 / (255 * spread))
        self.register_buffer("offset", -centre / spread)
        self.eval()

    def forward(self, images: Tensor) -> Tensor:
        """Classify."""
        logits: Tensor = self.network(images.float().permute(0, 3, 1, 2) * self.scale + self.offset)
        return logits


def main() -> None:
    argparse.ArgumentParser(description=__doc__.splitlines()[0]).parse_args()
    photographs = find_images(data_folder() / "imagenet_sample_200")
    print(f"onnxruntime {version('onnxruntime')}, openvino {version('openvino')}, torch {version('torch')}\n")
    with tempfile.TemporaryDirectory() as folder:
        classify(photographs, Path(folder))
        embed(Path(folder))


def classify(photographs: list[Path], folder: Path) -> None:
    """The network with its classifier, of which torch's own answers are the measure."""
    recipe = get_model_weights(NAME).IMAGENET1K_V1.transforms()
    opened = [Image.open(path).convert("RGB") for path in photographs]
    expected = torch_logits(opened, recipe)
    pixels = np.stack([cropped(image, recipe) for image in opened])
    backbone = load_backbone(NAME, "IMAGENET1K_V1")
    network = WithClassifier(backbone.network, backbone.mean, backbone.std)
    truth = CLASSES_APART * np.arange(len(photographs))
    print(f"| {NAME} with its classifier | photographs | top-1 as torch | right | largest difference of a logit |")
    print("|---|---|---|---|---|")
    print(f"| torch | {len(truth)} | | {(expected.argmax(1) == truth).sum()} | |")
    for runtime, logits in run_all(to_onnx(network, pixels.shape[1:3]), pixels, folder).items():
        same, right = ((logits.argmax(1) == other).sum() for other in (expected.argmax(1), truth))
        print(f"| {runtime} | {len(truth)} | {same} | {right} | {np.abs(logits - expected).max():.1e} |")
    print(f"\nlogits are {expected.min():.1f} to {expected.max():.1f}; the two best are at least "
          f"{np.diff(np.sort(expected)[:, -2:]).min():.1e} apart\n")  # fmt: skip


@torch.inference_mode()
def torch_logits(images: list[Image.Image], recipe: nn.Module) -> NDArray[np.float32]:
    """What torchvision's network says of what torchvision's own transforms make of them, `[N,C]`."""
    network = get_model(NAME, weights="IMAGENET1K_V1").eval()
    return np.concatenate([network(recipe(image)[None]).numpy() for image in images])


def cropped(image: Image.Image, recipe: nn.Module) -> NDArray[np.uint8]:
    """The pixels that those transforms see, uint8 `[H,W,3]`: all of them but the normalisation."""
    resized = transforms.resize(image, recipe.resize_size, recipe.interpolation, antialias=recipe.antialias)
    return np.asarray(transforms.center_crop(resized, recipe.crop_size))


def embed(folder: Path) -> None:
    """An ordinary bundle, of which our runtime's answers are the measure."""
    write_line(folder / "line", SHOTS + 1, 0)
    write_line(folder / "asked", ASKED, 1)
    adapt(folder / "line", folder / "run", AdaptSettings(backbone=NAME, shots=SHOTS))
    export(folder / "run", folder / "line.edgefs")
    images = find_images(folder / "asked")
    print(f"| embedder.onnx of a bundle, {len(PART_KINDS)} kinds of part | images | nearest class as edgefs | "
          "largest relative difference of an embedding |\n|---|---|---|---|")  # fmt: skip
    with Classifier.open(folder / "line.edgefs", seed_only=True) as classifier:
        expected, judge = classifier.embed(images), classifier.judge
        nearest = [decision.nearest for decision in judge.decide(expected)]
        pixels = classifier.bundle.manifest.preprocess.batch(images)
        model = Bundle.open(folder / "line.edgefs").model
    for runtime, vectors in run_all(model, pixels, folder).items():
        same = sum(a.nearest == b for a, b in zip(judge.decide(vectors), nearest, strict=True))
        worst = relative_difference(vectors, expected).max()
        print(f"| {runtime} | {len(images)} | {same} | {worst:.1e} |")


def run_all(model: bytes, pixels: NDArray[np.uint8], folder: Path) -> dict[str, NDArray[np.float32]]:
    """What each runtime computes, in a process that knows nothing of us."""
    (folder / "model.onnx").write_bytes(model)
    np.save(folder / "images.npy", pixels)
    found = {}
    for runtime in RUNTIMES:
        script = [sys.executable, str(Path(__file__).with_name("plain.py")), runtime]
        files = [str(folder / name) for name in ("model.onnx", "images.npy", "out.npy")]
        subprocess.run([*script, *files], check=True)
        found[runtime] = np.load(folder / "out.npy")
    return found


if __name__ == "__main__":
    main()
