"""What a process owns when it is forked: its fork owns nothing, and touches nothing of it.

A fork has copies of the owner's SQLite connections and sockets. Were such a connection closed, as the fork's end closes
all it finds, SQLite would bring the log home and remove it while the parent goes on to write there: acts that were
acknowledged would be lost, and the file torn. So the fork keeps these connections until it is gone.
"""

from __future__ import annotations

import ctypes
import os
import sqlite3
import weakref
from typing import Protocol


class Forked(Protocol):
    """What a fork has to be told of."""

    def after_fork(self) -> None:
        """Own nothing from now on; called in the fork, where no other thread runs."""


_held: weakref.WeakSet[Forked] = weakref.WeakSet()


def watch(one: Forked) -> None:
    """Tell it when this process was forked, for as long as it lives."""
    _held.add(one)


def never_close(connection: sqlite3.Connection) -> None:
    """Keep a connection from being closed, also when Python ends."""
    ctypes.pythonapi.Py_IncRef(ctypes.py_object(connection))


def _tell() -> None:
    for one in list(_held):
        one.after_fork()


if hasattr(os, "register_at_fork"):  # Windows knows no forks
    os.register_at_fork(after_in_child=_tell)
