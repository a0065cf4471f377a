"""Pretrained networks whose stages are tapped for embeddings.

- `load_backbone`: a network by name with its weights; `BACKBONES` and `SOURCES` say which there are.
- `default_backbone`: the one that is taken when nobody names one.
- `find_stages`: where a network can be tapped.

Each name but those two is loaded when it is asked for: `edgefs adapt --help` lists backbones and loads no torch.
"""

from importlib import import_module
from typing import TYPE_CHECKING

from edgefs.backbones.sources import BACKBONES, SOURCES, Source

if TYPE_CHECKING:
    from edgefs.backbones.loading import architecture, default_backbone, load_backbone
    from edgefs.backbones.stages import Stage, find_stages
    from edgefs.backbones.weights import Backbone

__all__ = [
    "BACKBONES",
    "SOURCES",
    "Backbone",
    "Source",
    "Stage",
    "architecture",
    "default_backbone",
    "find_stages",
    "load_backbone",
]

_PLACES = {
    "Backbone": "weights",
    "Stage": "stages",
    "architecture": "loading",
    "default_backbone": "loading",
    "find_stages": "stages",
    "load_backbone": "loading",
}


def __getattr__(name: str) -> object:
    if name not in _PLACES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_PLACES[name]}"), name)
