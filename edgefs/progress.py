"""How long work tells that it goes on; the library itself prints nothing."""

from __future__ import annotations

from collections.abc import Callable

Progress = Callable[[int, int], None]  # (done, in all)
Steps = Callable[[str], Progress]  # called with a step's name when it begins


def silent(_name: str) -> Progress:
    """Steps that nobody watches."""
    return lambda _done, _total: None
