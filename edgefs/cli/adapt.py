"""`edgefs adapt`: what it can be told, and how it tells what came of it."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from edgefs.cli.adapt_options import AdaptCommand, settings_from
from edgefs.cli.config import config_option
from edgefs.cli.options import PATH, echo_json, json_option
from edgefs.cli.program import this_program
from edgefs.cli.sections import under
from edgefs.cli.streams import echo
from edgefs.cli.terminal import progress_bars
from edgefs.pipelines.checking import check_adapt
from edgefs.runs.run import REPORT, Run
from edgefs.settings.adapt import RUN
from edgefs_runtime.base.wording import counted

if TYPE_CHECKING:
    from edgefs.pipelines.measure import AdaptFigures


@click.command("adapt", cls=AdaptCommand)
@click.argument("data", type=PATH)
@click.option("-o", "--out", required=True, type=PATH, help="The folder that the RUN is written to.", **under(RUN))
@click.option("--overwrite", is_flag=True, help="Replace the RUN that stands there.", **under(RUN))
@config_option
@click.option("--medical", is_flag=True, help="Print sensitivity and specificity in the place of escapes and overkill.")
@json_option
@click.pass_context
def command(
    ctx: click.Context, /, data: Path, out: Path, overwrite: bool, medical: bool, as_json: bool, **given: Any
) -> None:
    """Adapt a pretrained network to the images of DATA and write a RUN.

    DATA is a folder with one folder of images per class, or train/, val/ and test/ of such folders, or MVTec style
    (train/good and test/<defect>), or a CSV file path,label[,split][,group].
    """
    settings = settings_from(ctx, given)
    check_adapt(data, out, settings, overwrite=overwrite)
    from edgefs.pipelines.adapt import adapt
    from edgefs.training import is_lead

    with progress_bars() as (steps, tell):
        told = tell if is_lead() else lambda _: None
        run, measured = adapt(data, out, settings, overwrite=overwrite, steps=steps, tell=told)
    if is_lead():
        _echo(run, measured, out, as_json=as_json, medical=medical)


def _echo(run: Run, measured: AdaptFigures, out: Path, *, as_json: bool, medical: bool) -> None:
    if as_json:
        echo_json({"run": str(out), "name": run.name, **measured.to_json()})
        return
    for note in measured.data_notes:
        echo(note, err=True)
    if measured.headline is not None:
        from edgefs.evaluation import evaluation_text

        what, side = measured.headline
        echo("", f"Measured on {what}:", "")
        echo(*evaluation_text(side.evaluation, medical=medical).split("\n"), "")
    if measured.validation is not None:
        echo(f"Accuracy on validation set: {100 * measured.validation.evaluation.nearest.accuracy.value:.0f} %")
    if left_out := run.record.left_out:
        first = left_out[0]
        echo(
            f"Left out: {counted(len(left_out), 'file')} (the first: {first.path}, {first.reason}); run.json and "
            "the report list them."
        )
    echo(f"RUN: {out}   report: {out / REPORT}")
    echo(f"Go on: {shlex.join([*this_program(), 'export', str(out), '-o', f'{run.name}.edgefs'])}")
