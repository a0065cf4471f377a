"""`edgefs adapt`."""

from __future__ import annotations

import dataclasses
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from edgefs.cli import adapt_options as options
from edgefs.cli import method_options
from edgefs.cli.config import take_config
from edgefs.cli.options import PATH, apply, echo_json, json_option
from edgefs.cli.program import this_program
from edgefs.cli.run_options import CACHE, FRAME, HARDWARE, RUN
from edgefs.cli.terminal import progress_bars
from edgefs.cli.workstation import WorkstationCommand
from edgefs.pipelines.checking import check_adapt
from edgefs.runs.run import REPORT, Run
from edgefs.settings.adapt import AdaptSettings
from edgefs.settings.choices import METHODS
from edgefs_runtime.base.wording import counted

if TYPE_CHECKING:
    from edgefs.pipelines.measure import AdaptFigures

_OF_METHODS = ("finetune", "domain", "meta")  # fields of `AdaptSettings` that hold a method's own settings


@click.command("adapt", cls=WorkstationCommand)
@click.argument("data", type=PATH)
@click.option("-o", "--out", required=True, type=PATH, help="The folder that the RUN is written to.")
@click.option(
    "--method", type=click.Choice(METHODS), default="features", show_default=True, help="The way of transfer learning."
)
@apply(
    options.NETWORK,
    options.DATA,
    options.DECISION,
    FRAME,
    options.IMAGES,
    options.TRAINING,
    HARDWARE,
    method_options.FINETUNE,
    method_options.META,
    method_options.DOMAIN,
    CACHE,
    options.SUCCESSION,
    RUN,
)
@click.option("--medical", is_flag=True, help="Print sensitivity and specificity in the place of escapes and overkill.")
@json_option
@click.pass_context
def command(ctx: click.Context, /, data: Path, out: Path, **given: Any) -> None:
    """Adapt a pretrained network to the images of DATA and write a RUN.

    DATA is a folder with one folder of images per class, or train/, val/ and test/ of such folders, or MVTec style
    (train/good and test/<defect>), or a CSV file path,label[,split][,group].
    """
    given = take_config(ctx, given)
    overwrite, as_json, medical = (given.pop(name) for name in ("overwrite", "as_json", "medical"))
    settings = _settings(given)
    check_adapt(data, out, settings, overwrite=overwrite)
    from edgefs.pipelines.adapt import adapt
    from edgefs.training import is_lead

    with progress_bars() as (steps, console):
        tell = console.print if is_lead() else lambda _: None
        run, measured = adapt(data, out, settings, overwrite=overwrite, steps=steps, tell=tell)
    if is_lead():
        _echo(run, measured, out, as_json=as_json, medical=medical)


def _settings(given: Mapping[str, Any]) -> AdaptSettings:
    """Settings from options by name; a method's own go to its part.

    Raises:
        click.UsageError: an option belongs to another method than the one that runs.
    """
    fields = {name: value for name, value in given.items() if name != "config"}
    fields["rotation"] = int(fields["rotation"])
    fields["symmetries"] = options.SYMMETRIES[fields.pop("symmetry")]
    fields |= {name: fields[name] or None for name in ("size", "roi", "window")}
    defaults, method = AdaptSettings(), fields["method"]
    parts = {name: getattr(defaults, name) for name in _OF_METHODS}
    names = {name: {field.name for field in dataclasses.fields(part)} for name, part in parts.items()}
    own = {name: fields.pop(name, None) for name in set().union(*names.values())}
    own = {name: value for name, value in own.items() if value is not None}
    for name in sorted(own) if method != "auto" else ():
        if name not in names.get(method, ()):
            owners = " and ".join(other for other in _OF_METHODS if name in names[other])
            raise click.UsageError(f"--{name.replace('_', '-')} is of --method {owners}, and this is --method {method}")
    for name, part in parts.items():
        fields[name] = dataclasses.replace(part, **{key: value for key, value in own.items() if key in names[name]})
    return AdaptSettings(**fields)


def _echo(run: Run, measured: AdaptFigures, out: Path, *, as_json: bool, medical: bool) -> None:
    if as_json:
        echo_json({"run": str(out), "name": run.name, **measured.to_json()})
        return
    for note in measured.data_notes:
        click.echo(note, err=True)
    if measured.headline is not None:
        from edgefs.evaluation import evaluation_text

        what, side = measured.headline
        click.echo(f"\nMeasured on {what}:\n\n{evaluation_text(side.evaluation, medical=medical)}\n")
    if measured.validation is not None:
        click.echo(f"Accuracy on validation set: {100 * measured.validation.evaluation.nearest.accuracy.value:.0f} %")
    if left_out := run.record.left_out:
        first = left_out[0]
        click.echo(
            f"Left out: {counted(len(left_out), 'file')} (the first: {first.path}, {first.reason}); run.json and "
            "the report list them."
        )
    click.echo(f"RUN: {out}   report: {out / REPORT}")
    click.echo(f"Go on: {shlex.join([*this_program(), 'export', str(out), '-o', f'{run.name}.edgefs'])}")
