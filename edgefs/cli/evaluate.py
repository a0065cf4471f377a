"""`edgefs evaluate`."""

from __future__ import annotations

from pathlib import Path

import click

from edgefs.cli.options import PATH, echo_json, json_option
from edgefs.cli.terminal import progress_bars
from edgefs.evaluating import evaluate
from edgefs.report import render_report
from edgefs_runtime.errors import EdgefsError


@click.command("evaluate")
@click.argument("subject", metavar="RUN|BUNDLE", type=PATH)
@click.argument("data", type=PATH)
@click.option("--gallery", type=PATH, help="Decide by this gallery; by the bundle's seed without it.")
@click.option("--ok", multiple=True, metavar="LABEL", help="A class of good parts among those the model does not know.")
@click.option("--group-from", metavar="REGEX", help="Takes the part (lot, patient) from a file name.")
@click.option("--report", type=PATH, help="Write a report (HTML) to this file.")
@json_option
def command(
    subject: Path,
    data: Path,
    gallery: Path | None,
    ok: tuple[str, ...],
    group_from: str | None,
    report: Path | None,
    as_json: bool,
) -> None:
    """Decide about the labelled images of DATA and count: overkill, escapes, accuracy, confusions.

    Images that the model has learned from are left out.
    """
    with progress_bars() as (steps, _):
        outcome = evaluate(subject, data, gallery=gallery, group_from=group_from, ok=ok, steps=steps)
    if report is not None:
        _write(report, render_report(outcome.report))
    if as_json:
        echo_json({"subject": str(subject), "data": str(data), **outcome.evaluation.to_json()})
        return
    for note in outcome.notes:
        click.echo(note, err=True)
    click.echo(outcome.evaluation.to_text())
    if report is not None:
        click.echo(f"\nReport: {report}")


def _write(path: Path, text: str) -> None:
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise EdgefsError(f"{path}: can't be written ({error.strerror or error})") from error
