"""Help in sections: a command with many options lists them under the headings that they belong to."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import click

from edgefs.cli.options import Described
from edgefs.cli.workstation import WorkstationCommand

OUTPUT = "Output"  # what has no heading of its own


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

    def listed(self) -> Iterable[click.Parameter]:
        """What the help lists; an option may stand under more than one heading."""
        return [param for param in self.params if isinstance(param, click.Option)]

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write each heading with what stands under it."""
        found: dict[str, list[tuple[str, str]]] = {}
        for param in (*self.listed(), *filter(None, [self.get_help_option(ctx)])):
            record = param.get_help_record(ctx)
            if record is not None:
                found.setdefault(getattr(param, "group", "") or OUTPUT, []).append(record)
        prefaces = self.prefaces()
        known = dict.fromkeys((*self.headings, *prefaces, *found))
        for heading in (*(one for one in known if one != OUTPUT), OUTPUT):
            with formatter.section(heading):
                if heading in prefaces:
                    formatter.write_text(prefaces[heading])
                if heading in found:
                    formatter.write_dl(found[heading])


def under(heading: str) -> dict[str, Any]:
    """What `click.option` takes to put an option under a heading."""
    return {"cls": Described, "group": heading}
