"""Progress bars on a terminal; a line every half minute in a log."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from edgefs.cli.streams import shown
from edgefs.progress import Progress as Report
from edgefs.progress import Steps

_SILENCE = 30.0  # seconds; after so long a log is told how far a step is


@contextmanager
def progress_bars() -> Iterator[tuple[Steps, Callable[[str], None]]]:
    """Bars on standard error, one for each step, or lines in a log; and what prints a sentence there."""
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

        def tell(sentence: str) -> None:
            console.print(shown(sentence))

        def step(name: str) -> Report:
            task = bars.add_task(shown(name), total=None, note="")

            def report(done: int, total: int, note: str = "", /) -> None:
                nonlocal told
                bars.update(task, completed=done, total=total, note=shown(note))
                if not console.is_terminal and time.monotonic() - told >= _SILENCE:
                    told = time.monotonic()
                    tell(f"{name}: {done:,} of {total:,} {note}".rstrip())

            return report

        yield step, tell
