"""`edgefs gallery log`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, fields
from pathlib import Path
from typing import TYPE_CHECKING

import click

from edgefs.cli.options import bundle_argument, echo_json, gallery_option, gallery_path_of, json_option
from edgefs.cli.streams import echo

if TYPE_CHECKING:
    from edgefs_runtime.gallery import LogEntry


@click.command("log")
@bundle_argument
@gallery_option
@click.option("--csv", "as_csv", is_flag=True, help="Print comma-separated values.")
@json_option
def log(bundle: Path, gallery: Path | None, as_csv: bool, as_json: bool) -> None:
    """Print the audit log: who taught or removed what, when and why."""
    from edgefs_runtime.base.state import lies
    from edgefs_runtime.gallery.reading import read_log

    if as_csv and as_json:
        raise click.UsageError("--csv and --json exclude each other")
    path = gallery_path_of(bundle, gallery)
    entries = read_log(path) if lies(path) else []
    if as_json:
        for entry in entries:
            echo_json(asdict(entry))
    elif as_csv:
        _echo_csv(entries)
    elif entries:
        _echo_log(entries)
    else:
        echo("Nothing was taught on this device yet.")


def _echo_csv(entries: Sequence[LogEntry]) -> None:
    from edgefs.cli.spreadsheet import open_table
    from edgefs_runtime.gallery import LogEntry

    with open_table(Path("-"), [field.name for field in fields(LogEntry)]) as table:
        for entry in entries:
            table.write(list(asdict(entry).values()))


def _echo_log(entries: Sequence[LogEntry]) -> None:
    one = len({entry.device for entry in entries}) == 1
    numbers = [str(entry.seq) if one else f"{entry.device[:8]}:{entry.seq}" for entry in entries]
    wide = max(map(len, numbers))
    echo(f"{'time':<29}  {'act':<{wide + 8}} {'images':>6} {'classes':>7}  of what, by whom and why")
    for entry, number in zip(entries, numbers, strict=True):
        images = _moved(entry) if entry.classes else str(entry.images)
        state = _waiting(entry)
        words = (entry.label, state, entry.actor and f"by {entry.actor}", entry.reason)
        said = "".join(f"  {word}" for word in words if word)
        echo(f"{entry.time}  {number:>{wide}} {entry.kind:<7} {images:>6} {entry.classes:>7}{said}")


def _waiting(entry: LogEntry) -> str:
    """Of what was taught as pending: whether somebody approved it."""
    if entry.state != "pending":
        return ""
    return f"approved by {entry.approver}" if entry.approver else "pending"


def _moved(entry: LogEntry) -> str:
    """`+5`, `-8`, or of a merge that did both `+5 -8`."""
    signed = (("+", entry.images - entry.removed), ("-", entry.removed))
    return " ".join(f"{sign}{number}" for sign, number in signed if number) or "0"
