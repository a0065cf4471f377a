"""How long work tells that it goes on; the library itself prints nothing."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol


class Progress(Protocol):
    """Called as work goes on."""

    def __call__(self, done: int, total: int, note: str = "", /) -> None:
        """So many of so many are done; `note` says how it stands, such as a loss."""


Steps = Callable[[str], Progress]  # called with a step's name when it begins


def silent(_name: str) -> Progress:
    """Steps that nobody watches."""
    return lambda _done, _total, _note="": None
