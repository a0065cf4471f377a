"""`edgefs look`: a contact sheet of what would be learned, before anything is."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from edgefs.cli.declared import options_of
from edgefs.cli.options import PATH, Count, Described, echo_json, json_option
from edgefs.cli.streams import echo, shown
from edgefs.cli.workstation import WorkstationCommand
from edgefs.pipelines.checking import check_data, check_file
from edgefs.settings.adapt import AdaptSettings

if TYPE_CHECKING:
    from edgefs.look import Sheet

_MOST_REASONS = 5


@click.command("look", cls=WorkstationCommand)
@click.argument("data", type=PATH)
@click.option(
    "-o",
    "--out",
    required=True,
    type=PATH,
    metavar="FILE.html",
    help="The file (HTML) that the sheet is written to; one that is there is replaced.",
)
@options_of(AdaptSettings, names=("roi", "rotation", "channels", "window", "page", "damaged", "resize", "ok"))
@click.option(
    "--size",
    nargs=2,
    type=Count(16, 4096),
    metavar="HEIGHT WIDTH",
    default=(224, 224),
    show_default=True,
    help="The height and width of the network's input in pixels: 224 224 for MobileNetV2, 128 128 for nano.",
)
@click.option(
    "--images",
    type=Count(min=1),
    cls=Described,
    show_default="4, or 1 with more than 50 classes",
    help="The number of images shown of each class.",
)
@click.option("--seed", type=int, default=0, show_default=True, help="The number that picks the images.")
@json_option
@click.pass_context
def command(
    ctx: click.Context,
    /,
    data: Path,
    out: Path,
    ok: tuple[str, ...],
    images: int | None,
    seed: int,
    as_json: bool,
    **given: Any,
) -> None:
    """Show what would be learned from DATA, before anything is: a contact sheet of what is cut out and seen.

    DATA is as for `edgefs adapt`. The sheet is one HTML file with, of each class, frames with the region of interest
    and beside them the network's input; what is left out and why; and how the folder was understood.
    """
    if out.suffix.lower() not in (".html", ".htm"):
        raise click.UsageError(f"-o {out}: the sheet is HTML; give it a name that ends with .html")
    from edgefs.settings.frame import preprocess_by

    preprocess = preprocess_by(given, size=given["size"], resize=given["resize"])
    check_data(data)
    check_file("-o", out)
    from edgefs.cli.terminal import progress_bars
    from edgefs.look import look_at, sheet_html

    with progress_bars() as (steps, _):
        choose = not given["window"]
        sheet = look_at(data, preprocess, choose_window=choose, images=images, ok=ok, seed=seed, steps=steps)
    page = sheet_html(sheet, shlex.join(["edgefs", "adapt", str(data), "-o", "run", *_given(ctx, "ok", *given)]))
    try:
        out.write_text(page, encoding="utf-8", errors="replace")  # a file name may hold bytes that are no text
    except OSError as error:
        raise click.ClickException(f"{out}: can't be written ({error.strerror or error})") from error
    if as_json:
        echo_json({"sheet": str(out), **sheet.to_json()})
        return
    _echo(sheet, out)


def _given(ctx: click.Context, *names: str) -> Iterator[str]:
    """The options among these that were given, as they would be given again."""
    for name in names:
        if ctx.get_parameter_source(name) is not click.core.ParameterSource.COMMANDLINE:
            continue
        value, option = ctx.params[name], f"--{name.replace('_', '-')}"
        if name == "ok":
            yield from (text for label in value for text in (option, label))
        else:
            yield from (option, *map(str, value if isinstance(value, tuple) else (value,)))


def _echo(sheet: Sheet, out: Path) -> None:
    echo(f"{sheet.title}: {sheet.layout}.")
    echo(*sheet.notes)
    width = max(len(one.label) for one in sheet.classes)
    for one in sheet.classes:
        divided = "".join(f", {side} {number:,}" for side, number in one.sides.items())
        echo(f"  {shown(one.label):<{width}}  {one.disposition:<6}  {one.images:>6,} images{divided}; {one.frames}")
    for reason, number in sheet.reasons[:_MOST_REASONS]:
        echo(f"  left out: {number:,}, {reason}")
    if len(sheet.reasons) > _MOST_REASONS:
        echo(f"  left out: {sum(n for _, n in sheet.reasons[_MOST_REASONS:]):,} for other reasons; see the sheet")
    echo(f"Sheet: {out}")
