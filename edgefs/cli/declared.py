"""Options of a command out of a dataclass of settings: each field says what it means, and its type what can be written.

    @options_of(DistillSettings)                       all of them
    @options_of(AdaptSettings, names=("roi", "page"))  these

The value that a command is given has the field's name and type, ready for the dataclass.
"""

from __future__ import annotations

import types
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

import click

from edgefs.cli.options import PATH, Count, Described, Number
from edgefs.cli.options import Option as Decorator
from edgefs.settings.setting import Setting, settings_of


class _Named(click.Choice):  # type: ignore[type-arg]  # click 8.1 has no argument there
    """A name that stands for a value; what a command is given is the value."""

    def __init__(self, named: Mapping[str, Any]) -> None:
        super().__init__(list(named))
        self.named = named

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        return self.named[super().convert(value, param, ctx)]


def declared(
    kind: type, *, names: Collection[str] | None = None, under: str = "", choices: Mapping[str, Sequence[str]] = {}
) -> list[Described]:
    """Options of the fields of settings, in their order.

    Args:
        kind: the dataclass.
        names: fields that are wanted; None takes all.
        under: heading of them all; empty takes what each field names.
        choices: what fields of names may be, where the settings can't know them: heads, methods.
    """
    hints = get_type_hints(kind)
    return [
        _option(name, hints[name], default, told, under or told.group, choices.get(name))
        for name, default, told in settings_of(kind)
        if names is None or name in names
    ]


def options_of(kind: type, *, names: Collection[str] | None = None, under: str = "") -> Decorator:
    """The decorator that gives those options to a command."""

    def decorate(command: Any) -> Any:
        params = command.params if isinstance(command, click.Command) else command.__dict__.setdefault(_PARAMS, [])
        params.extend(reversed(declared(kind, names=names, under=under)))  # click turns them round
        return command

    return decorate


_PARAMS = "__click_params__"  # where click's decorators leave the options of a function


def _option(name: str, hint: Any, default: Any, told: Setting, group: str, choices: Sequence[str] | None) -> Described:
    kind, optional = _without_none(hint)
    written = told.option or name.replace("_", "-")
    more: dict[str, Any] = {"help": told.help, "group": group, "show_default": told.shown or default not in (None, ())}
    if kind is bool:
        return _flag(name, written, default, more, optional)
    if told.named is not None:
        default = next(named for named, value in told.named.items() if value == default)
        return Described(
            [f"--{written}", name], type=_Named(told.named), default=default, **{**more, "show_default": True}
        )
    if get_origin(kind) is tuple:
        *elements, last = get_args(kind)
        many: dict[str, Any] = {"multiple": True} if last is Ellipsis else {"nargs": len(elements) + 1}
        kind, more = elements[0], more | many
    if get_origin(kind) is Literal:
        choices = get_args(kind)
    metavar = {"metavar": told.metavar} if told.metavar else {}
    value = click.Choice(choices) if choices is not None else _type(kind, told)
    return Described([f"--{written}", name], type=value, default=default, **metavar, **more)


def _flag(name: str, written: str, default: bool | None, more: dict[str, Any], optional: bool) -> Described:
    """`--this` where it is off by itself, `--no-that` where that is all that can be said, else both."""
    if written.startswith("no-"):
        more = {**more, "show_default": False}
        return Described([f"--{written}", name], flag_value=False, default=True, type=bool, **more)
    if default is False and not optional:
        return Described([f"--{written}", name], is_flag=True, **{**more, "show_default": False})
    return Described([f"--{written}/--no-{written}", name], default=default, **more)


def _without_none(hint: Any) -> tuple[Any, bool]:
    """The type, and whether None is allowed beside it."""
    if get_origin(hint) in (Union, types.UnionType):
        found = [one for one in get_args(hint) if one is not type(None)]
        return found[0], len(found) < len(get_args(hint))
    return hint, False


def _type(kind: Any, told: Setting) -> Any:
    if kind is Path:
        return PATH
    if kind not in (int, float):
        return click.STRING
    least: Any
    most: Any
    least, most = told.least if told.above is None else told.above, told.most if told.below is None else told.below
    limits: dict[str, Any] = {"min_open": told.above is not None, "max_open": told.below is not None}
    if kind is float:
        return Number(least, most, **limits)
    return click.INT if least is None and most is None else Count(least, most, **limits)
