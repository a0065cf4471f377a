"""`edgefs demo`: the demo's steps, printed as they happen."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING

import click

from edgefs.cli.options import PATH, Described, echo_json, json_option
from edgefs.cli.program import this_program
from edgefs.cli.streams import echo
from edgefs.cli.terminal import progress_bars
from edgefs.cli.workstation import WorkstationCommand
from edgefs.pipelines.checking import check_data
from edgefs.runs.run import REPORT

if TYPE_CHECKING:
    from edgefs.demo import Outcome


@click.command("demo", cls=WorkstationCommand)
@click.option(
    "-o",
    "--out",
    type=PATH,
    default=Path("demo-out"),
    show_default=True,
    help="The folder that everything is written to.",
)
@click.option(
    "--data", type=PATH, help="Your own folder or CSV file, as `adapt` takes it, in the place of rendered parts."
)
@click.option(
    "--backbone",
    cls=Described,
    metavar="NAME",
    show_default="nano on the rendered parts, else as in `adapt`",
    help="The pretrained network.",
)
@click.option("--keep-back", metavar="LABEL", help="The class that nobody teaches until it is enrolled on the device.")
@click.option(
    "--group-from", metavar="REGEX", help="A regular expression that takes the part from a file name, as in `adapt`."
)
@click.option("--seed", type=int, default=0, show_default=True, help="The number that picks images.")
@json_option
def command(
    out: Path,
    data: Path | None,
    backbone: str | None,
    keep_back: str | None,
    group_from: str | None,
    seed: int,
    as_json: bool,
) -> None:
    """Go the whole way: images, adapt, export, and a device that says unknown and then learns.

    The demo works offline: the images are rendered and the network travels in the package. With --data it downloads
    MobileNetV2's weights where they can be had, as `adapt` does; with --backbone nano it does not.
    """
    if data is not None:
        check_data(data)
    from edgefs.demo import tell_story

    with progress_bars() as (steps, tell):
        outcome = tell_story(
            out,
            data=data,
            backbone=backbone,
            kept_back=keep_back,
            group_from=group_from,
            seed=seed,
            steps=steps,
            tell=tell,
        )
    if as_json:
        echo_json(_fields(outcome))
        return
    echo(*_table(outcome).split("\n"), "")
    echo(f"The report: {out / 'run' / REPORT}   The bundle: {out / 'line.edgefs'}")
    echo(f"Go on: {_next(outcome)}")


def _next(outcome: Outcome) -> str:
    """A command for the shell that asks the device about an image of the class it was just taught."""
    return shlex.join([*this_program(), *outcome.asked])


def _table(outcome: Outcome) -> str:
    from edgefs.evaluation.columns import in_columns

    rows = [
        ("", "nearest class right", "refused as unknown"),
        ("taught classes, held-out images", outcome.known_before.right, outcome.known_before.refused),
        (f"{outcome.label}, before it was taught", "-", outcome.new_before.refused),
        (f"{outcome.label}, taught from 5 images", outcome.new_after.right, outcome.new_after.refused),
        ("taught classes, after that", outcome.known_after.right, outcome.known_after.refused),
    ]
    text = in_columns([[str(cell) for cell in row] for row in rows], "lll")
    took = ", ".join(f"{name} {seconds:.1f} s" for name, seconds in outcome.seconds.items())
    return "\n".join(["", text, "", f"Took: {took}.", f"Training frameworks loaded on the device: {outcome.loaded}."])


def _fields(outcome: Outcome) -> dict[str, object]:
    asked = {
        name: {"right": value.right.to_json(), "refused": value.refused.to_json()}
        for name, value in vars(outcome).items()
        if name.startswith(("known", "new"))
    }
    rest = {"seconds": outcome.seconds, "loaded": outcome.loaded, "next": _next(outcome)}
    return {"label": outcome.label, **asked, **rest}
