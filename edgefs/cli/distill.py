"""`edgefs distill`: what it can be told, and how it tells what came of it."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Any

import click

from edgefs.cli.config import config_option
from edgefs.cli.declared import options_of
from edgefs.cli.options import PATH, echo_json, json_option
from edgefs.cli.program import this_program
from edgefs.cli.sections import SectionedCommand, under
from edgefs.cli.streams import echo
from edgefs.cli.terminal import progress_bars
from edgefs.pipelines.checking import check_distill
from edgefs.runs.run import REPORT
from edgefs.settings.adapt import RUN, TRAINING
from edgefs.settings.distill import HEADINGS, DistillSettings


@click.command("distill", cls=SectionedCommand, headings=HEADINGS)
@click.argument("archive", type=PATH, required=False)
@click.option("-o", "--out", required=True, type=PATH, help="The folder that the RUN is written to.", **under(RUN))
@click.option("--overwrite", is_flag=True, help="Replace the RUN that stands there.", **under(RUN))
@click.option(
    "--rendered", is_flag=True, help="Learn from rendered pictures in the place of an archive.", **under(TRAINING)
)
@options_of(DistillSettings)
@config_option
@json_option
def command(archive: Path | None, out: Path, overwrite: bool, rendered: bool, as_json: bool, **given: Any) -> None:
    """Teach a small network what a large one sees, from images that need no labels.

    ARCHIVE is a folder of images, in any folders below it. The RUN is a backbone for every method: edgefs adapt DATA
    --backbone RUN. A training that was killed goes on from its last epoch when the same command is given
    again.
    """
    if rendered == (archive is not None):
        raise click.UsageError("pass either ARCHIVE, a folder of images, or --rendered")
    settings = DistillSettings(**given)
    check_distill(archive, out, settings, overwrite=overwrite)
    from edgefs.pipelines.distill import distill
    from edgefs.training import is_lead

    with progress_bars() as (steps, tell):
        told = tell if is_lead() else lambda _: None
        run, distilled = distill(archive, out, settings, overwrite=overwrite, steps=steps, tell=told)
    if not is_lead():
        return
    if as_json:
        echo_json({"run": str(out), "name": run.name, **distilled.to_json()})
        return
    echo(f"RUN: {out}   report: {out / REPORT}")
    echo(f"Go on: {shlex.join([*this_program(), 'adapt'])} DATA -o RUN --backbone {shlex.quote(str(out))}")
