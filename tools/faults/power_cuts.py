"""Power cuts at every write and sync of a day's acts, recorded once and replayed."""

from __future__ import annotations

import random
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from faults import forking, shim
from faults.acts import Line, day
from faults.checking import problems_after
from faults.disk import Change, Disk, Kept, read_log
from faults.places import scratch
from faults.table import Row, tally

KINDS: tuple[Kept, ...] = ("drop", "keep", "subset", "torn")


def power_cuts(count: int, seed: int) -> list[Row]:
    """Cut the power `count` times: every boundary of small acts, the rest in large ones that fill SQLite's log."""
    chance = random.Random(seed)
    with scratch() as folder:
        line = Line.open(folder)
        small = recorded(line, folder / "small", size=1)
        large = recorded(line, folder / "large", size=120) if count >= 1000 else []
        cuts = [(small, at, kind) for at in range(len(small) + 1) for kind in KINDS]
        chance.shuffle(cuts)
        rest = max(0, count - len(cuts)) if large else 0
        cuts = cuts[:count] + [(large, chance.randint(0, len(large)), chance.choice(KINDS)) for _ in range(rest)]
        problems = list(_problems(line, cuts, chance))
    wanted = "0 lost, 0 refused, 0 leftovers"
    return [tally("power cuts (enroll, undo, forget, merge, challenge)", wanted, len(cuts), problems)]


def recorded(line: Line, folder: Path, size: int) -> list[Change]:
    """The changes of one day, in their order."""
    folder.mkdir()
    log = folder.with_suffix(".log")

    def record() -> None:
        shim.arm(folder, shim.RECORD, log=log)
        day(line, folder, shim.note, size)
        shim.disarm()

    ended = forking.run(record, limit=120)
    if ended.status:
        raise RuntimeError(f"the day was not recorded: {ended.text}")
    return read_log(log)


def _problems(line: Line, cuts: list[tuple[list[Change], int, Kept]], chance: random.Random) -> Iterator[str]:
    """Go through the changes once, and cut where it is asked for."""
    for changes in {id(changes): changes for changes, _, _ in cuts}.values():
        wanted = sorted((at, kind) for of, at, kind in cuts if of is changes)
        disk, taken = Disk(), 0
        for at, kind in wanted:
            while taken < at:
                disk.take(changes[taken])
                taken += 1
            folder = Path(tempfile.mkdtemp(dir=_place(line)))
            disk.cut(folder, kind, chance)
            for problem in problems_after(line, folder, disk.acknowledged):
                yield f"{problem} ({kind}, cut before change {at} of {len(changes)})"
            shutil.rmtree(folder)


def _place(line: Line) -> Path:
    return line.strangers[0].parent
