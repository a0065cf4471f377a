"""One case in a process of its own: forked, so that what is imported already costs nothing."""

from __future__ import annotations

import os
import select
import signal
import sys
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Ended:
    """How a child ended.

    Attributes:
        status: exit status; negative for the signal that ended it.
        text: what it wrote to standard output and error, or passed to `tell`.
        seconds: how long it computed: a machine that is busy elsewhere changes nothing.
        megabytes: its largest resident size, with what it inherited.
        timed_out: whether it was ended for taking too long.
    """

    status: int
    text: str
    seconds: float
    megabytes: float
    timed_out: bool = False


def run(case: Callable[[], None], limit: float = 60) -> Ended:
    """Run `case` in a child and wait for it, for `limit` seconds at most. A traceback ends it with status 70."""
    reader, writer = os.pipe()
    sys.stdout.flush()
    sys.stderr.flush()
    started = time.monotonic()
    child = os.fork()
    if child == 0:
        os.close(reader)
        _be_the_case(case, writer)
    os.close(writer)
    text, timed_out = _read(reader, started + limit)
    if timed_out:
        os.kill(child, signal.SIGKILL)
    _, status, used = os.wait4(child, 0)
    code = os.waitstatus_to_exitcode(status)
    return Ended(code, text, used.ru_utime + used.ru_stime, used.ru_maxrss / 1024, timed_out)


def _be_the_case(case: Callable[[], None], writer: int) -> None:
    os.dup2(writer, 1)
    os.dup2(writer, 2)
    status = 0
    try:
        sys.stdout = sys.__stdout__ = open(1, "w", encoding="utf-8", errors="backslashreplace", closefd=False)  # noqa: SIM115
        sys.stderr = sys.__stderr__ = open(2, "w", encoding="utf-8", errors="backslashreplace", closefd=False)  # noqa: SIM115
        case()
    except SystemExit as error:
        status = error.code if isinstance(error.code, int) else int(error.code is not None)
    except BaseException:
        traceback.print_exc()
        status = 70
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)


def _read(reader: int, until: float) -> tuple[str, bool]:
    """All that comes until the other end is closed."""
    blocks = []
    while select.select([reader], [], [], max(0, until - time.monotonic()))[0]:
        block = os.read(reader, 1 << 16)
        if not block:
            os.close(reader)
            return b"".join(blocks).decode("utf-8", "replace"), False
        blocks.append(block)
    os.close(reader)
    return b"".join(blocks).decode("utf-8", "replace"), True
