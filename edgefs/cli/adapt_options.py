"""The options of `edgefs adapt`: those of every method, and each method's own, as `METHODS` declares them.

They are looked up when they are asked for: a method, a head or a backbone that was registered a moment ago is offered.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from typing import Any

import click
from click.core import ParameterSource

from edgefs.backbones.sources import known_backbones
from edgefs.cli.declared import declared
from edgefs.cli.options import Described
from edgefs.cli.sections import SectionedCommand
from edgefs.methods import METHODS, settings_by_method
from edgefs.settings.adapt import (
    COMPUTING,
    DATA,
    DECISION,
    EMBEDDING,
    FRAME,
    METHOD,
    RUN,
    SUPPORT,
    TRAINING,
    AdaptSettings,
)

_HEADINGS = (RUN, METHOD, DATA, FRAME, SUPPORT, EMBEDDING, DECISION, TRAINING)


class AdaptCommand(SectionedCommand):
    """`adapt`, whose options and help follow what is registered."""

    def __init__(self, name: str | None, **options: Any) -> None:
        super().__init__(name, **options)
        self._named = tuple(self.params)
        self._look_up()

    def get_params(self, ctx: click.Context) -> list[click.Parameter]:
        """Parameters that the command names itself, and those that settings declare now."""
        self._look_up()
        return super().get_params(ctx)

    def _look_up(self) -> None:
        shared = {option.name: option for option in reversed(_of_methods())}  # the first of each name
        self.params = [*self._named, *_of_all_methods(), *reversed(shared.values())]
        self.headings = (*_HEADINGS, *map(_heading, METHODS), COMPUTING)

    def listed(self) -> Iterable[click.Option]:
        """Options that methods share stand under each of them, with what they mean there."""
        options = [param for param in self._named if isinstance(param, click.Option)]
        return (*options, *_of_all_methods(), *_of_methods())

    def prefaces(self) -> Mapping[str, str]:
        """What each method does, and the heads that it takes."""
        found = {}
        for name, method in METHODS.items():
            first, *others = method.heads
            found[_heading(name)] = f"{method.summary} --head: {', '.join((f'{first} (the default)', *others))}."
        return found


def settings_from(ctx: click.Context, given: Mapping[str, Any]) -> AdaptSettings:
    """Settings from options by name; a method's own go to its part.

    Raises:
        click.UsageError: an option belongs to another method than the one that runs.
    """
    shared = {field.name for field in dataclasses.fields(AdaptSettings)}
    told = {name for name in given.keys() - shared if ctx.get_parameter_source(name) is not ParameterSource.DEFAULT}
    method, owners = given["method"], settings_by_method()
    names = {owner: {field.name for field in dataclasses.fields(kind)} for owner, kind in owners.items()}
    for name in sorted(told) if not METHODS[method].chooses else ():
        if name not in names.get(method, ()):
            of = " and ".join(sorted(owner for owner in owners if name in names[owner]))
            raise click.UsageError(f"--{name.replace('_', '-')} is of --method {of}, and this is --method {method}")
    own = tuple(kind(**{name: given[name] for name in told & names[owner]}) for owner, kind in owners.items())
    return AdaptSettings(**{name: value for name, value in given.items() if name in shared}, own=own)


def _heading(method: str) -> str:
    return f"--method {method}"


def _of_all_methods() -> list[Described]:
    heads = dict.fromkeys(head for method in METHODS.values() for head in method.heads)
    options = declared(AdaptSettings, choices={"method": list(METHODS), "head": list(heads)})
    for option in options:
        if option.name == "backbone":
            option.help = f"The pretrained network: {known_backbones()}."
    return options


def _of_methods() -> list[Described]:
    """Each method's own.

    Raises:
        ValueError: a method's setting has the name of one that every method has, or of another method's of another
            type.
    """
    found: list[Described] = []
    types: dict[str, object] = {option.name: None for option in _of_all_methods()}
    for method, kind in settings_by_method().items():
        for option in declared(kind, under=_heading(method)):
            if types.setdefault(option.name, option.type.to_info_dict()) != option.type.to_info_dict():
                raise ValueError(f"method {method}: its setting {option.name} is another thing elsewhere; rename it")
            found.append(option)
    return found
