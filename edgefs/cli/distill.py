"""`edgefs distill`."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Any

import click

from edgefs.cli.config import take_config
from edgefs.cli.options import PATH, Number, Option, apply, echo_json, json_option
from edgefs.cli.program import this_program
from edgefs.cli.run_options import FRAME, HARDWARE, RUN
from edgefs.cli.terminal import progress_bars
from edgefs.cli.workstation import WorkstationCommand
from edgefs.pipelines.checking import check_distill
from edgefs.runs.run import REPORT
from edgefs.settings.choices import STUDENTS
from edgefs.settings.distill import DistillSettings

_KNOWN = DistillSettings()
NETWORKS: tuple[Option, ...] = (
    click.option(
        "--teacher",
        default=_KNOWN.teacher,
        show_default=True,
        metavar="NAME",
        help="The large network: one of torchvision's, or nano.",
    ),
    click.option(
        "--teacher-weights",
        metavar="FILE",
        help="The teacher's weights: a .pth or .safetensors file, or the name of a torchvision set.",
    ),
    click.option(
        "--teacher-size",
        type=click.IntRange(min=32),
        metavar="PIXELS",
        help="The height and width of what the teacher sees; by default its own.",
    ),
    click.option(
        "--student", type=click.Choice(STUDENTS), default=_KNOWN.student, show_default=True, help="The small network."
    ),
    click.option(
        "--size",
        type=click.IntRange(32, 4096),
        default=_KNOWN.size,
        show_default=True,
        metavar="PIXELS",
        help="The height and width of what the student sees, a multiple of 32.",
    ),
    click.option(
        "--start",
        type=click.Choice(["packaged", "random"]),
        help="The student's first values: by default nano's packaged ones with an archive, else random.",
    ),
)
TRAINING: tuple[Option, ...] = (
    click.option(
        "--epochs",
        type=click.IntRange(min=1),
        default=_KNOWN.epochs,
        show_default=True,
        help="The number of epochs to train for.",
    ),
    click.option(
        "--pictures",
        type=click.IntRange(min=1),
        default=_KNOWN.pictures,
        show_default=True,
        help="The most pictures in an epoch; each epoch draws or renders others.",
    ),
    click.option(
        "--views",
        type=click.IntRange(min=1),
        default=_KNOWN.views,
        show_default=True,
        help="The number of random crops of each picture; the teacher is asked about each.",
    ),
    click.option(
        "--batch",
        type=click.IntRange(min=2),
        default=_KNOWN.batch,
        show_default=True,
        help="The number of views in a training step.",
    ),
    click.option(
        "--lr",
        type=Number(0, min_open=True),
        default=_KNOWN.lr,
        show_default=True,
        help="The largest learning rate.",
    ),
    click.option(
        "--seed", type=int, default=0, show_default=True, help="The number that picks pictures, views and their order."
    ),
    click.option(
        "--workers",
        type=click.IntRange(min=0),
        default=_KNOWN.workers,
        help="The number of processes that render; by default one for each processor.",
    ),
)


@click.command("distill", cls=WorkstationCommand)
@click.argument("archive", type=PATH, required=False)
@click.option("-o", "--out", required=True, type=PATH, help="The folder that the RUN is written to.")
@click.option("--rendered", is_flag=True, help="Learn from rendered pictures in the place of an archive.")
@apply(NETWORKS, TRAINING, FRAME, HARDWARE, RUN)
@json_option
@click.pass_context
def command(ctx: click.Context, /, archive: Path | None, out: Path, **given: Any) -> None:
    """Teach a small network what a large one sees, from images that need no labels.

    ARCHIVE is a folder of images, in any folders below it. The RUN is a backbone for every method: edgefs adapt DATA
    --backbone RUN. What was killed goes on from its last epoch when the same command is given again.
    """
    fields = take_config(ctx, given)
    overwrite, as_json = (fields.pop(name) for name in ("overwrite", "as_json"))
    if fields.pop("rendered") == (archive is not None):
        raise click.UsageError("pass either ARCHIVE, a folder of images, or --rendered")
    del fields["config"]
    fields |= {"roi": fields["roi"] or None, "window": fields["window"] or None, "rotation": int(fields["rotation"])}
    settings = DistillSettings(**fields)
    check_distill(archive, out, settings, overwrite=overwrite)
    from edgefs.pipelines.distill import distill
    from edgefs.training import is_lead

    with progress_bars() as (steps, console):
        tell = console.print if is_lead() else lambda _: None
        run, distilled = distill(archive, out, settings, overwrite=overwrite, steps=steps, tell=tell)
    if not is_lead():
        return
    if as_json:
        echo_json({"run": str(out), "name": run.name, **distilled.to_json()})
        return
    click.echo(f"RUN: {out}   report: {out / REPORT}")
    click.echo(f"Go on: {shlex.join([*this_program(), 'adapt'])} DATA -o RUN --backbone {shlex.quote(str(out))}")
