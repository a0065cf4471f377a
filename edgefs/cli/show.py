"""`edgefs show`: what a bundle and this device's gallery are, as a table, JSON or a report."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from edgefs.cli.options import PATH, bundle_argument, echo_json, gallery_option, json_option
from edgefs.cli.streams import echo

if TYPE_CHECKING:
    from edgefs_runtime.bundle.bundle import Bundle


@click.command("show")
@bundle_argument
@click.option(
    "--report",
    type=PATH,
    help="The file that the bundle's report (HTML) is written to; one that is there is replaced.",
)
@gallery_option
@json_option
def command(bundle: Path, report: Path | None, gallery: Path | None, as_json: bool) -> None:
    """Say what BUNDLE is: how it sees and decides, its classes, how it was measured, and where its gallery lies."""
    from edgefs_runtime.base.errors import BundleError
    from edgefs_runtime.bundle.bundle import Bundle
    from edgefs_runtime.gallery.belonging import gallery_of

    opened = Bundle.open(bundle)
    if report is not None:
        if not opened.report:
            raise BundleError(f"{bundle}: carries no report")
        report.write_text(opened.report, encoding="utf-8")
    where = gallery or gallery_of(opened)
    if as_json:
        told = {"path": str(bundle), "digest": opened.digest, "space_id": opened.space_id, **opened.manifest.raw}
        echo_json({**told, "gallery": {"path": str(where), "exists": where.exists()}})
        return
    echo(*(f"{name:<12} {value}" for name, value in _rows(opened, where)))


def _rows(bundle: Bundle, gallery: Path) -> Iterator[tuple[str, str]]:
    from edgefs.cli import show_table

    raw = bundle.manifest.raw
    yield from show_table.rows_of_model(bundle)
    yield from _rows_of_gallery(bundle, gallery)
    yield from show_table.rows_of_classes(raw)
    yield from show_table.rows_of_test(raw)
    yield "digest", bundle.digest
    yield "space", bundle.space_id
    yield "size", f"{bundle.size / 1e6:.1f} MB"


def _rows_of_gallery(bundle: Bundle, gallery: Path) -> Iterator[tuple[str, str]]:
    """The thresholds in force are those of what is taught by now; a gallery that can't be opened says so itself."""
    from edgefs.cli.show_table import rows_of_decision
    from edgefs_runtime.base.errors import GalleryError
    from edgefs_runtime.gallery.belonging import judge_by

    state = "" if gallery.exists() else " (not made yet: the bundle's seed decides)"
    try:
        yield from rows_of_decision(judge_by(bundle, gallery, None))
    except GalleryError as error:
        state = f"; it can't be used: {error}"
    yield "gallery", f"{gallery}{state}"
