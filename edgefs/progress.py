"""How long work tells that it goes on; the library itself prints nothing."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol


class Progress(Protocol):
    """A callable that is told how far work has come."""

    def __call__(self, done: int, total: int, note: str = "", /) -> None:
        """Tell that `done` of `total` are done; `note` says how it stands, such as a loss."""


Steps = Callable[[str], Progress]  # called with a step's name when it begins


def silent(_name: str) -> Progress:
    """Steps that nobody watches."""
    return lambda _done, _total, _note="": None
