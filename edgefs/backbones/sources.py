"""The sources that backbones come from, listed without loading torch.

- `BACKBONES`: networks of our own by name. One is a file here with a function `(weights) -> Backbone`, and one line.
- `SOURCES`: what opens many networks by a rule. One is a file here with `names` and `load`, and one line.

    BACKBONES["toy"] = load_toy                                       --backbone toy
    SOURCES["toys"] = Source("toys/NAME", "toys", is_toy)             --backbone toys/...
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, Protocol, cast

from edgefs.runs.run import DistilledRun

if TYPE_CHECKING:
    from edgefs.backbones.weights import Backbone

Load = Callable[["str | None"], "Backbone"]  # from weights: a file, `random`, or None for those that there are


class SourceModule(Protocol):
    """What the file of a source holds."""

    def names(self) -> list[str]:
        """Names that it opens, for who mistyped one; empty where they are places."""
        ...

    def load(self, name: str, weights: str | None = None) -> Backbone:
        """The network of that name; with `random` for weights, one with whatever values."""
        ...


class Source(NamedTuple):
    """What opens many networks.

    Attributes:
        told: which they are, as a phrase for `--help`: `one of torchvision's`.
        module: the file's name; it is loaded when a network of its kind is asked for.
        opens: whether a name is of its kind.
        check: refuses a name in a moment, without torch; None where nothing can be said before the network is loaded.
    """

    told: str
    module: str
    opens: Callable[[str], bool]
    check: Callable[[str], object] | None = None

    def file(self) -> SourceModule:
        """The source's own functions."""
        return cast(SourceModule, import_module(self.module))


def is_place(name: str) -> bool:
    """Whether a name is that of a folder: one that is there, or a path."""
    return Path(name).is_dir() or Path(name).name != name


def source_of(name: str) -> Source:
    """The source that opens a name which is not in `BACKBONES`; what was registered last is asked first."""
    return next(source for source in reversed(SOURCES.values()) if source.opens(name))


def check_backbone(name: str) -> None:
    """Refuse a name that its source knows to be none, before torch is loaded.

    Raises:
        RunError: the folder is not a whole RUN of `edgefs distill`.
    """
    if name not in BACKBONES and (check := source_of(name).check) is not None:
        check(name)


def known_backbones() -> str:
    """What `--backbone` takes, as a phrase."""
    *others, last = (*BACKBONES, *(source.told for source in SOURCES.values()))
    return f"{', '.join(others)}, or {last}"


def _open_run(name: str) -> DistilledRun:
    return DistilledRun.open(Path(name))


def _from(module: str, function: str, *first: str) -> Load:
    """A function of a file that is loaded when it is called."""
    return lambda weights: cast("Backbone", getattr(import_module(module), function)(*first, weights))


BACKBONES: dict[str, Load] = {
    "nano": _from("edgefs.backbones.nano", "load_packaged"),
    "nano-s": _from("edgefs.backbones.students", "load_student", "nano-s"),
    "nano-l": _from("edgefs.backbones.students", "load_student", "nano-l"),
    "conv4": _from("edgefs.backbones.conv4", "load_conv4"),
    "pico": _from("edgefs.backbones.pico", "load_pico"),
}
SOURCES: dict[str, Source] = {
    "torchvision": Source("one of torchvision's", "edgefs.backbones.torchvision_models", lambda _: True),
    "run": Source("a RUN of `distill`", "edgefs.backbones.distilled", is_place, _open_run),
}
