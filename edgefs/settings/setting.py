"""One thing that can be told: its type and default stand in a dataclass of settings, and what it means beside them.

    shots: int | None = setting(None, "The number of images of each class to learn from.", DATA, shown="all", least=1)

A command makes its option of that (`edgefs.cli.declared`), so the text stands once. `like` takes over a field of other
settings that means the same.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

_KEY = "setting"  # of a field's metadata


@dataclass(frozen=True)
class Setting:
    """What is said of a field beside its type and default.

    Attributes:
        help: a sentence or two, for whoever reads `--help`.
        group: heading that the option stands under; empty under that of its method.
        shown: the default in words, where None or an empty value stands for something that is found out later.
        least: smallest number that is allowed; None sets no limit, here and below.
        above: number that it has to be larger than.
        most: largest number that is allowed.
        below: number that it has to be smaller than.
        metavar: what stands for the value in `--help`; empty takes the type's.
        named: what can be written, where that is not the value itself, each with the value it stands for.
        option: name of the option where it is not that of the field.
    """

    help: str
    group: str = ""
    shown: str = ""
    least: float | None = None
    above: float | None = None
    most: float | None = None
    below: float | None = None
    metavar: str = ""
    named: Mapping[str, Any] | None = None
    option: str = ""


def setting(default: Any, help: str, group: str = "", **more: Any) -> Any:
    """A field of a dataclass, with its default and what is said of it (see `Setting`)."""
    return dataclasses.field(default=default, metadata={_KEY: Setting(help, group, **more)})


def like(settings: type, name: str, **changes: Any) -> Any:
    """A field that means what `name` means in other settings, and has its default."""
    field = next(field for field in dataclasses.fields(settings) if field.name == name)
    return dataclasses.field(
        default=field.default, metadata={_KEY: dataclasses.replace(field.metadata[_KEY], **changes)}
    )


def settings_of(kind: type) -> Iterator[tuple[str, Any, Setting]]:
    """Name, default and what is said of each field that can be told."""
    for field in dataclasses.fields(kind):
        if _KEY in field.metadata:
            yield field.name, field.default, field.metadata[_KEY]
