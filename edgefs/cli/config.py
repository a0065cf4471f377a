"""Options from a TOML file; what stands on the command line wins.

# line-3.toml
backbone = "mobilenet_v2"
shots = 5
overkill = 0.01
"""

from __future__ import annotations

import difflib
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from edgefs_runtime.base.errors import EdgefsError


def take_config(ctx: click.Context, given: Mapping[str, Any]) -> dict[str, Any]:
    """The options of a command, with those of its `--config` file where the command line is silent.

    Raises:
        EdgefsError: the file can't be read, or names an option that the command does not have.
        click.UsageError: a value is not what the option takes.
    """
    path: Path | None = given.get("config")
    if path is None:
        return dict(given)
    options = {param.name: param for param in ctx.command.params if isinstance(param, click.Option)}
    names = {flag.lstrip("-").replace("-", "_"): name for name, param in options.items() for flag in param.opts}
    found = {}
    for key, value in _read(path).items():
        name = names.get(key.replace("-", "_"))
        if name is None or name in ("config", "out"):
            near = difflib.get_close_matches(key, names, n=1)
            hint = f"did you mean {near[0]}?" if near else "--help lists them"
            raise EdgefsError(f"--config {path}: {key} is no option of `edgefs {ctx.command.name}`; {hint}")
        if ctx.get_parameter_source(str(name)) is not click.core.ParameterSource.COMMANDLINE:
            try:
                found[name] = _converted(ctx, options[name], value)
            except click.BadParameter as error:
                raise click.BadParameter(
                    f"{error.message.rstrip('.')} (in --config {path})", ctx, options[name]
                ) from error
    return {**given, **found}


def _read(path: Path) -> dict[str, Any]:
    if sys.version_info >= (3, 11):
        import tomllib
    else:
        import tomli as tomllib  # of the extra `workstation`
    try:
        # Windows writes a byte order mark.
        content: dict[str, Any] = tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise EdgefsError(f"--config {path}: can't be read ({error.strerror or error})") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise EdgefsError(f"--config {path}: not a TOML file ({error})") from error
    return content


def _converted(ctx: click.Context, option: click.Option, value: Any) -> Any:
    """As if it had been typed: the option's own checks apply."""
    if option.is_flag:
        if not isinstance(value, bool):
            raise click.BadParameter("expected true or false", ctx, option)
        return option.flag_value if value else not option.flag_value
    if isinstance(value, list) != (option.multiple or option.nargs > 1):
        expected = "a list" if option.multiple or option.nargs > 1 else "one value"
        raise click.BadParameter(f"expected {expected}, found {value!r}", ctx, option)
    typed = [str(item) for item in value] if isinstance(value, list) else str(value)
    return option.type_cast_value(ctx, typed)
