"""kill -9 at every change of a day's acts, checkpoints too."""

from __future__ import annotations

import os
import random
import shutil
from collections.abc import Iterator
from pathlib import Path

from faults import forking, shim
from faults.acts import Line, day
from faults.checking import problems_after
from faults.places import scratch
from faults.power_cuts import recorded
from faults.table import Row, tally


def kills(count: int, seed: int) -> list[Row]:
    """Kill the process `count` times, before a change or in the middle of one, and start again."""
    chance = random.Random(seed)
    with scratch() as folder:
        line = Line.open(folder)
        changes = [change for change in recorded(line, folder / "small", size=1) if change.kind != "a"]
        cases = [(at, how) for at in range(1, len(changes) + 1) for how in (shim.KILL, shim.TORN)]
        chance.shuffle(cases)
        cases = (cases * (1 + count // len(cases)))[:count]
        problems = [problem for case in cases for problem in _problems(line, folder / "victim", *case)]
    wanted = "0 lost, 0 refused, 0 leftovers after the next start"
    return [tally("kill -9 at a change (checkpoints too)", wanted, count, problems)]


def _problems(line: Line, folder: Path, at: int, how: int) -> Iterator[str]:
    folder.mkdir()
    told = folder.with_suffix(".acknowledged")
    told.write_bytes(b"")

    def act() -> None:
        handle = os.open(told, os.O_WRONLY | os.O_APPEND)
        shim.arm(folder, how, at)
        day(line, folder, lambda text: os.write(handle, text.encode() + b"\n") and None)

    ended = forking.run(act)
    if ended.status > 0:
        yield f"traceback: {ended.text[-300:]}"
    lines = told.read_text().splitlines()
    for problem in problems_after(line, folder, lines[-1] if lines else ""):
        yield f"{problem} ({'before' if how == shim.KILL else 'within'} change {at})"
    shutil.rmtree(folder)
