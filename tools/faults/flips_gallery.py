"""Flipped bits in a large gallery at rest, and in the write-ahead log of an owner that was killed."""

from __future__ import annotations

import gc
import hashlib
import os
import random
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

from edgefs_runtime.base.errors import EdgefsError
from edgefs_runtime.gallery import Gallery, check_gallery, read_snapshot
from faults import commands, forking
from faults.acts import GALLERY, Line, enrolment
from faults.flipping import flipped
from faults.places import scratch
from faults.table import Row, tally

_TABLES = ("meta", "event", "removed", "shot", "tip")
_REPAIRED = 50  # one flip in so many is repaired too, beside those that SQLite itself sees: that copies the file
_LOST_WITH_A_PAGE = 60  # events, at most, that damage of SQLite's own structure may hide until the repair
_ACTS = 10  # of the killed owner


def gallery_flips(count: int, seed: int) -> list[Row]:
    """Flip `count` bits of a gallery of ten events for each flip, 10,000 at 1,000."""
    chance = random.Random(seed)
    gc.disable()  # ten thousand rows are read a thousand times: looking for circles among them takes half of it
    with scratch() as folder:
        line = Line.of_one_view(folder)
        path = folder / GALLERY
        events = _large(line, path, min(10_000, 10 * count))
        whole, total = _content(path), sum(read_snapshot(path, line.seed).counts.values())
        problems: list[str] = []
        for number in range(count):
            with flipped(path, chance) as at:
                wrong = [*_noticed(line, path, total, whole)]
                wrong += _repaired(line, path, total) if number % _REPAIRED == 0 or not _is_sound(path) else []
                problems += [f"{problem} (byte {at})" for problem in wrong]
    name = f"bits flipped in a gallery of {events:,} events"
    return [tally(name, "noticed, named, the rest usable, repaired by one command", count, problems)]


def wal_flips(count: int, seed: int) -> list[Row]:
    """Flip `count` bits of what a killed owner had not brought home: ten acknowledged acts."""
    chance = random.Random(seed)
    with scratch() as folder:
        line = Line.of_one_view(folder)
        problems = []
        killed = _killed_owner(line, folder / "killed")
        for number in range(count):
            victim = Path(shutil.copytree(killed, folder / f"victim-{number}"))
            with flipped(victim / f"{GALLERY}-wal", chance) as at:
                problems += [f"{problem} (byte {at} of the log)" for problem in _loss_unnoticed(line, victim)]
            shutil.rmtree(victim)
    return [tally("bits flipped in a killed owner's log", "lost acts noticed and named", count, problems)]


def _large(line: Line, path: Path, events: int) -> int:
    with Gallery.open(path, line.seed) as gallery:
        for act in range(0, events, 500):
            last = min(events, act + 500)
            taught = [
                enrolment(f"class {number % 20}", 1, line.seed.dim, number=number, thumbnail=60 * (number % 10 == 0))
                for number in range(act, last)
            ]
            gallery.enroll_together(taught)
    return events


def _content(path: Path) -> bytes | None:
    """A digest of all rows as SQLite reads them; None where it can't."""
    digest = hashlib.sha256()
    try:
        with closing(sqlite3.connect(f"{path.as_uri()}?mode=ro&immutable=1", uri=True)) as connection:
            connection.text_factory = bytes
            for table in _TABLES:
                for row in connection.execute(f"SELECT * FROM {table} ORDER BY rowid"):
                    digest.update(repr(row).encode())
    except (sqlite3.Error, OverflowError):
        return None
    return digest.digest()


def _noticed(line: Line, path: Path, total: int, whole: bytes | None) -> Iterator[str]:
    try:
        snapshot = read_snapshot(path, line.seed)
    except EdgefsError as error:
        what = "SQLite's own structure" if _content(path) is None else "one event"
        yield f"the rest unusable, damage in {what}: {error}"
        return
    except Exception as error:
        yield f"traceback: {type(error).__name__} {error}"
        return
    counted = sum(snapshot.counts.values())
    if not getattr(snapshot, "warnings", ()) and _content(path) != whole and not check_gallery(path):
        yield f"unnoticed: {counted} of {total} images count"
    elif counted < total - 1 and (_is_sound(path) or counted < total - _LOST_WITH_A_PAGE):
        yield f"more than the damaged lost: {counted} of {total} images count"


def _is_sound(path: Path) -> bool:
    """Whether SQLite finds its own structure whole."""
    try:
        with closing(sqlite3.connect(f"{path.as_uri()}?mode=ro&immutable=1", uri=True)) as connection:
            return [row for (row,) in connection.execute("PRAGMA quick_check")] == ["ok"]
    except (sqlite3.Error, UnicodeDecodeError):
        return False


def _repaired(line: Line, path: Path, total: int) -> list[str]:
    victim = path.parent / "repaired" / path.name
    victim.parent.mkdir()
    try:
        shutil.copyfile(path, victim)
        ended = commands.edgefs_command("gallery", "repair", line.bundle.path, "--gallery", victim)
        if ended.status:
            return [f"not repaired: {ended.text.strip().splitlines()[-1]}"]
        if problems := check_gallery(victim):
            return [f"not repaired: {problems[0]}"]
        counted = sum(read_snapshot(victim, line.seed).counts.values())
        return [] if counted >= total - 1 else [f"lost by repairing: {counted} of {total} images"]
    except EdgefsError as error:
        return [f"not repaired: {error}"]
    finally:
        shutil.rmtree(victim.parent)


def _killed_owner(line: Line, folder: Path) -> Path:
    folder.mkdir()
    with Gallery.open(folder / GALLERY, line.seed) as gallery:
        gallery.enroll(enrolment("before", 2, line.seed.dim))

    def act() -> None:
        gallery = Gallery.open(folder / GALLERY, line.seed)
        for number in range(_ACTS):
            gallery.enroll(enrolment("taught", 2, line.seed.dim, number=number))
        os._exit(0)

    forking.run(act)
    return folder


def _loss_unnoticed(line: Line, folder: Path) -> Iterator[str]:
    try:
        with Gallery.open(folder / GALLERY, line.seed) as gallery:
            found = len(gallery.log()) - 1
            if found < _ACTS and not getattr(gallery, "health", ()):
                yield f"unnoticed: {_ACTS - found} acts lost"
    except EdgefsError as error:
        yield f"the rest unusable: {error}"
    except Exception as error:
        yield f"traceback: {type(error).__name__} {error}"
