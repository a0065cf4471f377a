"""Progress bars on a terminal; a line every half minute in a log."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from edgefs.progress import Progress as Report
from edgefs.progress import Steps

if TYPE_CHECKING:
    from rich.console import Console

_SILENCE = 30.0  # seconds; after so long a log is told how far a step is


@contextmanager
def progress_bars() -> Iterator[tuple[Steps, Console]]:
    """Bars on standard error, one for each step, or lines in a log; and the console that prints there."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    console = Console(stderr=True, highlight=False, soft_wrap=True, markup=False, emoji=False)  # names may hold [ and :
    columns = (
        TextColumn("{task.description:<24}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[note]}"),
    )
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bars:
        told = time.monotonic()

        def step(name: str) -> Report:
            task = bars.add_task(name, total=None, note="")

            def report(done: int, total: int, note: str = "", /) -> None:
                nonlocal told
                bars.update(task, completed=done, total=total, note=note)
                if not console.is_terminal and time.monotonic() - told >= _SILENCE:
                    told = time.monotonic()
                    console.print(f"{name}: {done:,} of {total:,} {note}".rstrip())

            return report

        yield step, console
