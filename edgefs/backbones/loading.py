"""Loads a backbone by its name, from whichever source opens it (`sources`)."""

from __future__ import annotations

from torch import nn

from edgefs.backbones.sources import BACKBONES, source_of
from edgefs.backbones.torchvision_models import is_cached
from edgefs.backbones.weights import RANDOM, Backbone
from edgefs_runtime.base.errors import WeightsError

PREFERRED = "mobilenet_v2"


def load_backbone(name: str, weights: str | None = None) -> Backbone:
    """The backbone called `name`, ready to embed.

    Args:
        name: a key of `BACKBONES`, or what one of the `SOURCES` opens: a torchvision network, a RUN of `distill`.
        weights: a `.pth` or `.safetensors` file, or the name of one of torchvision's sets; None takes the usual one.

    Raises:
        WeightsError: no such backbone, or its weights can't be had or don't fit.
        RunError: the folder is not a whole RUN of `edgefs distill`.
    """
    if name in BACKBONES:
        return BACKBONES[name](weights)
    return source_of(name).file().load(name, weights)


def architecture(name: str) -> nn.Module:
    """The network called `name` with whatever values, to be filled from a RUN.

    Raises:
        WeightsError: no such backbone.
    """
    return load_backbone(name, RANDOM).network


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
