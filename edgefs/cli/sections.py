"""Help in sections: a command with many options lists them under the headings that they belong to."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import click

from edgefs.cli.options import Described
from edgefs.cli.workstation import WorkstationCommand

OUTPUT = "Output"  # what has no heading of its own

_SENTENCE = 200  # characters, at most


class Section(NamedTuple):
    """A part of the help."""

    heading: str
    preface: str
    options: tuple[click.Option, ...]


class SectionedCommand(WorkstationCommand):
    """A command of the workstation whose `--help` goes by headings.

    An option stands under its `group`, one without a group under `OUTPUT`, which comes last.

    Args:
        name: as `click.Command`.
        headings: in the order of the help; those that are not among them follow as their options do.
        options: as `click.Command`.
    """

    def __init__(self, name: str | None, *, headings: Iterable[str] = (), **options: Any) -> None:
        super().__init__(name, **options)
        self.headings = tuple(headings)

    def prefaces(self) -> Mapping[str, str]:
        """What stands under a heading before its options, or in their place."""
        return {}

    def listed(self) -> Iterable[click.Option]:
        """What the help lists; an option may stand under more than one heading."""
        return [param for param in self.params if isinstance(param, click.Option)]

    def sections(self) -> list[Section]:
        """The options, heading by heading."""
        found: dict[str, list[click.Option]] = {}
        for option in self.listed():
            found.setdefault(getattr(option, "group", "") or OUTPUT, []).append(option)
        prefaces = self.prefaces()
        known = dict.fromkeys((*self.headings, *prefaces, *found))
        headings = [*(one for one in known if one != OUTPUT), OUTPUT]
        return [Section(one, prefaces.get(one, ""), tuple(found.get(one, ()))) for one in headings]

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write each heading with what stands under it."""
        for heading, preface, options in self.sections():
            shown = (*options, *filter(None, [self.get_help_option(ctx)])) if heading == OUTPUT else options
            records = [record for option in shown if (record := option.get_help_record(ctx))]
            with formatter.section(heading):
                if preface:
                    formatter.write_text(preface)
                if records:
                    formatter.write_dl(records)


def under(heading: str) -> dict[str, Any]:
    """What `click.option` takes to put an option under a heading."""
    return {"cls": Described, "group": heading}


class SummarisedGroup(click.Group):
    """A group whose help shows the whole sentence of each command, on as many lines as it takes."""

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the commands."""
        rows = [(name, self.commands[name].get_short_help_str(limit=_SENTENCE)) for name in self.list_commands(ctx)]
        with formatter.section("Commands"):
            formatter.write_dl(rows)
