"""Tables that a spreadsheet opens, in CSV: what stands in a cell is shown, never computed."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

import click

from edgefs.cli.streams import echo

_FORMULA = frozenset("=+-@＝＋－＠")  # what Excel and LibreOffice compute, in the width of Chinese keys too
_HEAD = 4096  # characters


def cell(value: object) -> str | float | int:
    """What is written for a value: before a text that a spreadsheet would compute an apostrophe, for None nothing."""
    if isinstance(value, (int, float)):
        return value
    text = "" if value is None else str(value)
    return f"'{text}" if text.lstrip()[:1] in _FORMULA else text


class Written(Protocol):
    """What takes text."""

    def write(self, text: str, /) -> object:
        """Write it."""
        ...


class Table:
    """Rows under a header, each written when it comes.

    Args:
        stream: a file is opened with `newline=""`.
        columns: of the header.
        name: of the file, for the message when it can't be written.
    """

    def __init__(self, stream: Written, columns: Sequence[str], name: str = "") -> None:
        self._writer = csv.writer(stream, lineterminator="\n")
        self._name = name
        self.write(columns)

    def write(self, values: Sequence[object]) -> None:
        """One row, in the order of the columns.

        Raises:
            click.ClickException: the file can't be written.
        """
        with _errors(self._name):
            self._writer.writerow([cell(value) for value in values])


class _StandardOutput:
    """A row a line, as any other line is printed."""

    def write(self, text: str, /) -> None:
        echo(text.removesuffix("\n"))


@contextmanager
def open_table(target: Path, columns: Sequence[str]) -> Iterator[Table]:
    """A table in a file, in UTF-8 with the mark by which a spreadsheet knows it; or on standard output, for `-`.

    Raises:
        click.UsageError: something else lies there, which is left as it is.
        click.ClickException: the file can't be written.
    """
    if str(target) == "-":
        yield Table(_StandardOutput(), columns)
        return
    with _errors(str(target)):
        _refuse_another(target, columns)
        # Line by line, so that a killed run leaves what it had decided; a file name that is no text gets escapes.
        stream = target.open("w", 1, encoding="utf-8-sig", errors="backslashreplace", newline="")
    try:
        yield Table(stream, columns, str(target))
    finally:
        with _errors(str(target)):
            stream.close()


@contextmanager
def _errors(name: str) -> Iterator[None]:
    """One line for a file that can't be written; how standard output fails is not for a table to say."""
    try:
        yield
    except OSError as error:
        if not name:
            raise
        raise click.ClickException(f"{name}: can't be written ({error.strerror or error})") from error


def _refuse_another(target: Path, columns: Sequence[str]) -> None:
    """Refuse to replace anything but a table of this kind: `--csv part1.jpg part2.jpg` is a slip of the pen."""
    if target.is_dir():
        raise click.UsageError(f"--csv {target}: is a folder; expected the name of a file, or - for standard output")
    if not target.is_file():
        return
    with target.open(encoding="utf-8-sig", errors="replace", newline="") as stream:
        head = stream.read(_HEAD)
    if head.strip() and head.splitlines()[0].split(",") != list(columns):
        raise click.UsageError(f"--csv {target}: another file lies there, and is kept; give a new name")
