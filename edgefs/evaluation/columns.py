"""Rows in columns as plain text: the same on a terminal and in a file, whatever the labels are written in.

What a device prints goes without this: rich belongs to the workstation.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Literal

from rich.console import Console
from rich.table import Table
from rich.text import Text

from edgefs_runtime.base.wording import plain

_JUSTIFY: dict[str, Literal["left", "right"]] = {"l": "left", "r": "right"}
_WIDTH = 100_000  # terminal columns; a table is never wrapped or cut, since a figure would be lost


def in_columns(rows: Sequence[Sequence[str]], justify: str, longest: int = _WIDTH) -> str:
    """Columns two spaces apart, without a frame and without colour.

    Args:
        rows: cells of one line each; a header is a row like any other.
        justify: `l` or `r` for each column.
        longest: terminal columns at which a cell of the first column is cut: labels may be as long as their folder.
    """
    grid = Table.grid(padding=(0, 2, 0, 0))
    for number, side in enumerate(justify):
        widest = _WIDTH if number else longest
        grid.add_column(justify=_JUSTIFY[side], no_wrap=True, overflow="ellipsis", max_width=widest)
    for row in rows:
        grid.add_row(*(Text(plain(cell)) for cell in row))  # a label may hold what rich would take for markup
    text = io.StringIO()
    Console(file=text, width=_WIDTH, color_system=None, legacy_windows=False).print(grid)
    return "\n".join(line.rstrip() for line in text.getvalue().splitlines())
