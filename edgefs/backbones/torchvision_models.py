"""torchvision's classification networks by name, with torchvision's own weights API.

Weights that lie in torchvision's cache (TORCH_HOME) are taken without asking the network. Of several sets for one
network the first, IMAGENET1K_V1, is preferred: the later ones were trained with label smoothing and mixing, which makes
a better classifier of ImageNet and a worse embedding of anything else (Kornblith et al. 2021, arXiv:2010.16402).
"""

from __future__ import annotations

import contextlib
import dataclasses
import sys
import urllib.error
from pathlib import Path
from typing import Any

import torch
from torch import nn

from edgefs.backbones.sources import BACKBONES
from edgefs.backbones.weights import RANDOM, Backbone, fill, read_weights, state_digest
from edgefs_runtime.base.errors import WeightsError

_DEFAULT_SIZE = 224  # pixels


def load(name: str, weights: str | None = None) -> Backbone:
    """A torchvision network with pretrained weights.

    Args:
        name: as in `torchvision.models.list_models(module=torchvision.models)`.
        weights: a file, the name of one of torchvision's sets, `random` (seeded, for speed measurements), or None for
            the preferred set.

    Raises:
        WeightsError: no such network, or its weights can't be had or don't fit.
    """
    if name not in names():
        raise WeightsError(f"no backbone is called {name!r}; {_suggestion(name)}")
    if weights == RANDOM:
        return _random(name)
    sets = _sets(name)
    if weights is None or weights in sets:
        return _pretrained(name, weights or _preferred(sets), sets)
    network = _build(name)
    fill(network, read_weights(Path(weights)), Path(weights))
    return _backbone(name, network, f"weights file {Path(weights).name}", None)


def names() -> list[str]:
    """Names of the classification networks that torchvision knows."""
    import torchvision

    return list(torchvision.models.list_models(module=torchvision.models))


def is_cached(name: str) -> bool:
    """Whether one of the network's sets of weights lies in torchvision's cache."""
    return any(_cache_file(entry).is_file() for entry in _sets(name).values())


def _sets(name: str) -> dict[str, Any]:
    import torchvision

    return {entry.name: entry for entry in torchvision.models.get_model_weights(name)}


def _preferred(sets: dict[str, Any]) -> str:
    cached = [entry for entry, weights in sets.items() if _cache_file(weights).is_file()]
    return min(cached or sets, key=lambda entry: (entry != "IMAGENET1K_V1", list(sets).index(entry)))


def _cache_file(entry: Any) -> Path:
    return Path(torch.hub.get_dir()) / "checkpoints" / Path(entry.url).name


def _pretrained(name: str, chosen: str, sets: dict[str, Any]) -> Backbone:
    entry = sets[chosen]
    try:
        with contextlib.redirect_stdout(sys.stderr):  # torch says there that it downloads, amid the results of --json
            state = entry.get_state_dict(progress=False, check_hash=True)
    except (OSError, urllib.error.URLError, RuntimeError) as error:
        raise WeightsError(
            f"the weights {chosen} of {name} are not in {_cache_file(entry).parent} and can't be downloaded; copy "
            f"{_cache_file(entry).name} there from a machine with a network, pass --weights FILE, or use "
            "--backbone nano, which needs no download"
        ) from error
    network = _build(name)
    network.load_state_dict(state)
    return _backbone(name, network, f"torchvision {chosen}", entry)


def _random(name: str) -> Backbone:
    generator_state = torch.get_rng_state()
    torch.manual_seed(0)
    network = _build(name)
    torch.set_rng_state(generator_state)
    backbone = _backbone(name, network, "random weights: for measuring speed only", None)
    return dataclasses.replace(backbone, trained=False)


def _build(name: str) -> nn.Module:
    import torchvision

    options: dict[str, Any] = {"init_weights": True} if name in {"googlenet", "inception_v3"} else {}
    network: nn.Module = torchvision.models.get_model(name, weights=None, **options)
    return network.eval()


def _backbone(name: str, network: nn.Module, origin: str, entry: Any) -> Backbone:
    recipe = entry.transforms() if entry is not None else _recipe(name)
    size = recipe.crop_size[0] if recipe is not None else _DEFAULT_SIZE
    mean, std = (tuple(recipe.mean), tuple(recipe.std)) if recipe is not None else (None, None)
    statistics: dict[str, Any] = {"mean": mean, "std": std} if mean and std else {}
    return Backbone(name, network.eval(), size, origin, state_digest(network), **statistics)


def _recipe(name: str) -> Any:
    """How torchvision prepares images for this network; a file of one's own is taken to be trained alike."""
    sets = _sets(name)
    return next(iter(sets.values())).transforms() if sets else None


def _suggestion(name: str) -> str:
    import difflib

    near = difflib.get_close_matches(name, [*names(), *BACKBONES], n=3)
    return f"did you mean {' or '.join(near)}?" if near else "`nano`, or a name such as mobilenet_v2 or resnet18"
