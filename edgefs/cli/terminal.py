"""Progress bars on a terminal; nothing where nobody watches."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from edgefs.progress import Progress as Report
from edgefs.progress import Steps

if TYPE_CHECKING:
    from rich.console import Console


@contextmanager
def progress_bars() -> Iterator[tuple[Steps, Console]]:
    """Bars on standard error, one for each step; and the console that prints above them."""
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

        def step(name: str) -> Report:
            task = bars.add_task(name, total=None, note="")

            def report(done: int, total: int, note: str = "", /) -> None:
                bars.update(task, completed=done, total=total, note=note)

            return report

        yield step, console
