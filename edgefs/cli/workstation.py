"""Commands of the workstation: their help works on a device too, and says what they need."""

from __future__ import annotations

from importlib.util import find_spec
from typing import Any

import click

from edgefs.cli.endings import WORKSTATION, missing_extra

NEEDS = 'pip install "edgefs[workstation]"'


class WorkstationCommand(click.Command):
    """A command that needs the extra `workstation`.

    Its module loads nothing of that extra. The command refuses what can be refused in a moment
    (`edgefs.pipelines.checking`), and only then imports what does the work.
    """

    def __init__(self, name: str | None, **options: Any) -> None:
        super().__init__(name, **{"epilog": f"A command of the workstation; it needs {NEEDS}.", **options})

    def invoke(self, ctx: click.Context) -> Any:
        """Run, where the extra is installed.

        Raises:
            click.ClickException: it is not; the message holds the command that cures it.
        """
        for module in WORKSTATION:
            if find_spec(module) is None:
                raise missing_extra(module)
        return super().invoke(ctx)
