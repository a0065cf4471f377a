"""`--config FILE.toml`: options by their names become click's defaults, so what stands on the command line wins.

# line-3.toml
backbone = "mobilenet_v2"
shots = 5
overkill = 0.01
"""

from __future__ import annotations

import difflib
import sys
from pathlib import Path
from typing import Any

import click

from edgefs.cli.options import PATH
from edgefs_runtime.base.errors import EdgefsError


def config_option(command: Any) -> Any:
    """Add `--config FILE`."""
    return click.option(
        "--config",
        type=PATH,
        is_eager=True,  # before the options that it speaks of
        expose_value=False,
        callback=_take,
        help="A TOML file with options by their names; options on the command line win.",
    )(command)


def _take(ctx: click.Context, _config: click.Parameter, path: Path | None) -> None:
    """Make the file's values the defaults of this call.

    Raises:
        EdgefsError: the file can't be read, or names an option that the command does not have.
        click.BadParameter: a value is not what the option takes.
    """
    if path is None or ctx.resilient_parsing:
        return
    options = {param.name: param for param in ctx.command.get_params(ctx) if isinstance(param, click.Option)}
    names = {flag.lstrip("-").replace("-", "_"): name for name, param in options.items() for flag in param.opts}
    found: dict[str, Any] = {}
    for key, value in _read(path).items():
        name = names.get(key.replace("-", "_"))
        if name is None or name in ("config", "out", "help"):
            near = difflib.get_close_matches(key, names, n=1)
            hint = f"did you mean {near[0]}?" if near else "--help lists them"
            raise EdgefsError(f"--config {path}: {key} is no option of `edgefs {ctx.command.name}`; {hint}")
        try:
            found[name] = _as_typed(ctx, options[name], value)
        except click.BadParameter as error:
            raise click.BadParameter(f"{error.message.rstrip('.')} (in --config {path})", ctx, options[name]) from error
    ctx.default_map = found


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


def _as_typed(ctx: click.Context, option: click.Option, value: Any) -> Any:
    """What would have been typed, checked: click's default map takes an integer's 1.5 for 1."""
    if option.is_flag:
        if not isinstance(value, bool):
            raise click.BadParameter("expected true or false", ctx, option)
        return value != (option.flag_value is False)  # `--no-cache` says False
    takes_list = option.multiple or option.nargs > 1
    if isinstance(value, list) != takes_list:
        expected = "a list" if takes_list else "one value"
        raise click.BadParameter(f"expected {expected}, found {value!r}", ctx, option)
    typed = [str(item) for item in value] if isinstance(value, list) else str(value)
    option.type_cast_value(ctx, typed)
    return typed
