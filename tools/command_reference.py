"""Writes docs/commands.md from the commands themselves.

python tools/command_reference.py
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

import click

from edgefs.cli import main
from edgefs.cli.group import ON_THE_DEVICE, ON_THE_WORKSTATION
from edgefs.cli.sections import SectionedCommand

PAGE = Path(__file__).parents[1] / "docs" / "commands.md"
HEAD = """# Command reference

Every command with its arguments and options, as `--help` has them; `python tools/command_reference.py` writes it.

- Errors are one line with exit status 1; wrong usage has exit status 2, Ctrl-C 130, a reader who left (`| head`) 141.
- `--json` prints one object a line. Output fits any encoding: what it can't hold stands as `\\u5212`, in JSON without
  loss.
- `edgefs -V` prints the version; `python -m edgefs` does what `edgefs` does.
- Commands of the workstation have their `--help` on a device too.
- Nothing talks to anybody but `adapt` and `distill` when they download weights: the telemetry of onnxruntime is off
  before it is loaded.
"""
SECTIONS = (
    ("On the workstation", ON_THE_WORKSTATION, '\nThey need `pip install "edgefs[workstation]"`.\n'),
    ("On the device", ON_THE_DEVICE, ""),
)


def page() -> str:
    """The whole page."""
    parts = [HEAD]
    for title, names, note in SECTIONS:
        parts.append(f"\n## {title}\n{note}")
        for name in names:
            command = main.get_command(click.Context(main), name)
            assert command is not None
            parts += [described(full, one) for full, one in with_commands_below(name, command)]
    return "".join(parts)


def with_commands_below(name: str, command: click.Command) -> Iterator[tuple[str, click.Command]]:
    if isinstance(command, click.Group):
        for below in sorted(command.commands):
            yield f"{name} {below}", command.commands[below]
    else:
        yield name, command


def described(name: str, command: click.Command) -> str:
    """One command: how it is called, what it does, its options."""
    arguments = [p for p in command.params if isinstance(p, click.Argument)]
    options = [p for p in command.params if isinstance(p, click.Option)]
    usage = " ".join(["edgefs", name, *(spelled(argument) for argument in arguments)])
    text = re.sub(r"[ \t]*\n(?!\n)[ \t]*(?=\S)", " ", inspect.cleandoc(command.help or "")).replace("\n ", "\n\n")
    if isinstance(command, SectionedCommand):
        tables = "".join(
            f"\n**{escaped(heading)}**\n" + (f"\n{escaped(preface)}\n" if preface else "") + table(below)
            for heading, preface, below in command.sections()
        )
    else:
        tables = table(options)
    return f"\n### edgefs {name}\n\n`{usage}`\n\n{text}\n{tables}"


def table(options: Sequence[click.Option]) -> str:
    rows = "".join(row(option) for option in options)
    return f"\n| option | does |\n|---|---|\n{rows}" if rows else ""


def spelled(argument: click.Argument) -> str:
    word = argument.metavar or (argument.name or "").upper()
    return f"{word}..." if argument.nargs == -1 and not word.endswith("...") else word


def row(option: click.Option) -> str:
    names = ", ".join(f"`{name}`" for name in (*option.opts, *option.secondary_opts))
    takes = "" if option.is_flag else f" {escaped(taken(option))}"
    shown = option.default if option.show_default is True else option.show_default or ""
    default = f" Default: {said(shown)}." if said(shown) else ""
    return f"| {names}{takes} | {escaped((option.help or '') + default)} |\n"


def taken(option: click.Option) -> str:
    """What an option takes."""
    if option.metavar:
        return option.metavar
    if isinstance(option.type, click.Choice):
        return "|".join(str(choice) for choice in option.type.choices)
    return {"integer range": "INTEGER", "float range": "NUMBER"}.get(option.type.name, option.type.name.upper())


def said(default: object) -> str:
    return " ".join(map(str, default)) if isinstance(default, (tuple, list)) else str(default)


def escaped(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
