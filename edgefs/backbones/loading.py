"""Backbones by name. A backbone of one's own is one function here and one line in `BACKBONES`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from torch import nn

from edgefs.backbones.conv4 import load_conv4
from edgefs.backbones.nano import NANO_MEAN, NANO_SIZE, NANO_STD, Nano, load_nano
from edgefs.backbones.pico import PICO_MEAN, PICO_SIZE, PICO_STD, untrained_pico
from edgefs.backbones.torchvision_models import RANDOM, is_cached, load_torchvision
from edgefs.backbones.weights import Backbone, fill, read_weights, state_digest
from edgefs_runtime.errors import WeightsError

PREFERRED = "mobilenet_v2"


def load_backbone(name: str, weights: str | None = None) -> Backbone:
    """The backbone called `name`, ready to embed.

    Args:
        name: a key of `BACKBONES`, or one of torchvision's classification networks.
        weights: a `.pth` or `.safetensors` file, or the name of one of torchvision's sets; None takes the usual one.

    Raises:
        WeightsError: no such backbone, or its weights can't be had or don't fit.
    """
    return BACKBONES[name](weights) if name in BACKBONES else load_torchvision(name, weights)


def architecture(name: str) -> nn.Module:
    """The network called `name` with whatever values, to be filled from a RUN.

    Raises:
        WeightsError: no such backbone.
    """
    return BACKBONES[name](None).network if name in BACKBONES else load_torchvision(name, RANDOM).network


def default_backbone() -> tuple[Backbone, str]:
    """The backbone for who names none, and a sentence that says which and why.

    torchvision's MobileNetV2 where its weights are cached or can be downloaded, else `nano`.
    """
    cached = is_cached(PREFERRED)
    try:
        backbone = load_backbone(PREFERRED)
    except WeightsError:
        return load_backbone("nano"), (
            f"Backbone: nano, which travels in the package ({PREFERRED} is neither cached nor can it be downloaded)."
        )
    how = "cached" if cached else "downloaded now"
    return backbone, f"Backbone: {PREFERRED} with ImageNet weights ({how})."


def _nano(weights: str | None) -> Backbone:
    network = load_nano()
    origin = "packaged weights"
    if weights is not None:
        network = Nano().eval()
        fill(network, {name: value.float() for name, value in read_weights(Path(weights)).items()}, Path(weights))
        origin = f"weights file {Path(weights).name}"
    return Backbone("nano", network, NANO_SIZE, origin, state_digest(network), NANO_MEAN, NANO_STD)


def _pico(weights: str | None) -> Backbone:
    network = untrained_pico()
    origin = "random weights: for methods that train every layer"
    if weights not in (None, RANDOM):
        fill(network, {name: value.float() for name, value in read_weights(Path(weights)).items()}, Path(weights))
        origin = f"weights file {Path(weights).name}"
    trained = weights not in (None, RANDOM)
    return Backbone("pico", network, PICO_SIZE, origin, state_digest(network), PICO_MEAN, PICO_STD, trained=trained)


BACKBONES: dict[str, Callable[[str | None], Backbone]] = {"conv4": load_conv4, "nano": _nano, "pico": _pico}
