"""`edgefs predict`: answers about images, printed, tabled, and saved by verdict."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import click

from edgefs.cli.images import image_files
from edgefs.cli.options import (
    PATH,
    bundle_argument,
    echo_json,
    gallery_option,
    json_option,
    open_classifier,
    provider_option,
)
from edgefs.cli.streams import echo

if TYPE_CHECKING:
    from edgefs.cli.answers import Answered, Summary
    from edgefs.cli.saving import Saver
    from edgefs_runtime.classifier import Classifier


@click.command("predict")
@bundle_argument
@click.argument("images", nargs=-1, required=True, type=PATH)
@click.option(
    "--csv", "table", type=PATH, metavar="FILE", help="Write the answers as a table too; - prints it instead."
)
@click.option(
    "--sort",
    "order",
    type=click.Choice(["verdict", "probability", "p", "path"]),
    help="Print in this order once all is decided: the most urgent verdict or the least sure first.",
)
@click.option(
    "--save", type=PATH, metavar="DIR", help="Copy each image into DIR/VERDICT/CLASS/; nothing is overwritten."
)
@click.option("--link", is_flag=True, help="With --save: make symbolic links in the place of copies.")
@gallery_option
@provider_option
@json_option
def command(
    bundle: Path,
    images: tuple[Path, ...],
    table: Path | None,
    order: str | None,
    save: Path | None,
    link: bool,
    gallery: Path | None,
    provider: str,
    as_json: bool,
) -> None:
    """Decide about IMAGES (files, or folders searched at any depth).

    A line for each goes to standard output, the summary of several to standard error. An image that can't be read is
    named, the others are decided about, and the exit status is 1.
    """
    _check(table, save, link, as_json)
    files = _without_saved(image_files(images), images, save)
    with ExitStack() as stack:
        classifier = stack.enter_context(open_classifier(bundle, gallery, provider=provider))
        from edgefs.cli.answers import Summary, in_order

        show = _shown(table, as_json, stack)
        summary, saver = Summary(), _saver(save, link)
        answers = _answers(classifier, files, summary, saver)
        for answered in in_order(answers, order) if order else answers:
            show(answered)
    if len(files) > 1 and not as_json:
        echo(summary.sentence(), err=True)
    if saver is not None and not as_json:
        echo(f"{saver.saved:,} of them {'linked' if link else 'copied'} into {save}.", err=True)
    if summary.unreadable:
        raise click.exceptions.Exit(1)


def _check(table: Path | None, save: Path | None, link: bool, as_json: bool) -> None:
    if as_json and table is not None and str(table) == "-":
        raise click.UsageError("--json and --csv - both print to standard output; give --csv a file")
    if link and save is None:
        raise click.UsageError("--link says how --save saves; give --save DIR")
    if save is not None and save.exists() and not save.is_dir():
        raise click.UsageError(f"--save {save}: is a file; expected a folder")


def _without_saved(files: list[Path], given: Iterable[Path], save: Path | None) -> list[Path]:
    """Files but for what an earlier run saved, where that lies below a folder that is searched."""
    if save is None or not save.exists():
        return files
    from edgefs.cli.saving import is_below
    from edgefs_runtime.base.errors import ImageError

    if not any(is_below(save, folder) for folder in given if folder.is_dir()):
        return files
    left = [path for path in files if path in given or not is_below(path, save)]
    if not left:
        raise ImageError(f"--save {save} holds all the images that were found; give the folder of others")
    return left


def _answers(classifier: Classifier, files: list[Path], summary: Summary, saver: Saver | None) -> Iterator[Answered]:
    """Each image with its answer, counted and saved."""
    from edgefs.cli.answers import Answered

    for path, answer in zip(files, classifier.predict_each(files, batch=classifier.backend.batch), strict=True):
        answered = Answered(path, answer)
        summary.add(answered)
        if saver is not None:
            saver.save(answered)
        yield answered


def _saver(folder: Path | None, link: bool) -> Saver | None:
    if folder is None:
        return None
    from edgefs.cli.saving import Saver

    return Saver(folder, link)


def _shown(table: Path | None, as_json: bool, stack: ExitStack) -> Callable[[Answered], None]:
    """What shows an answer: as a line or as JSON, and in a table where one is asked for."""
    from edgefs.cli.answers import COLUMNS, is_coloured

    coloured = is_coloured()

    def line(answered: Answered) -> None:
        echo(answered.said(), err=answered.kind == "error", before=answered.mark(), coloured=coloured)
        if warning := answered.warning:
            echo(f"Warning: {answered.path}: {warning}", err=True)

    printed = (lambda answered: echo_json(answered.to_json())) if as_json else line
    if table is None:
        return printed
    from edgefs.cli.spreadsheet import open_table

    rows = stack.enter_context(open_table(table, COLUMNS))

    def row(answered: Answered) -> None:
        rows.write(answered.cells())
        if str(table) != "-":
            printed(answered)

    return row
