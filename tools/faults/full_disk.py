"""A disk that is full from one write on: what the acts say, and whether undo, forget, closing and deciding go on."""

from __future__ import annotations

import json
import logging
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

from edgefs_runtime.base.errors import EdgefsError
from edgefs_runtime.gallery import Gallery, read_snapshot
from faults import forking, shim
from faults.acts import GALLERY, Line, enrolment, photograph, state_of
from faults.checking import problems_after
from faults.places import scratch
from faults.table import Row, tally

Acts = Callable[[Line, Path, Callable[[dict[str, object]], object]], None]

_WANTED = "clear error, nothing lost, undo and forget work, predict goes on"
_EARLY = 12  # writes of an undo and a forget


def full_disk(count: int, seed: int) -> list[Row]:
    """Fill the disk at each write of three acts, or at `count` of them, evenly chosen; `seed` chooses nothing here."""
    with scratch() as folder:
        line = Line.open(folder)
        writes = _growing_writes(line, folder / "dry")
        step = max(1, writes // count)
        at = list(range(1, writes + 1, step))
        amid = [problem for n in at for problem in _problems(line, folder / "victim", n, _acts)]
        early = range(1, 1 + min(count, _EARLY))
        before = [problem for n in early for problem in _problems(line, folder / "victim", n, _nothing)]
    return [
        tally("disk full from one write of an act on", _WANTED, len(at), amid),
        tally("disk full before undo and forget", _WANTED, len(early), before),
    ]


def _growing_writes(line: Line, folder: Path) -> int:
    _taught(line, folder)
    counted = folder.with_suffix(".count")

    def act() -> None:
        shim.arm(folder, shim.FULL, 1 << 40)
        _acts(line, folder, lambda _state: None)
        counted.write_text(str(shim.disarm()))

    forking.run(act)
    return int(counted.read_text())


def _taught(line: Line, folder: Path) -> None:
    """What was there before the disk was full."""
    folder.mkdir()
    with Gallery.open(folder / GALLERY, line.seed) as gallery:
        gallery.enroll(enrolment("crack", 3, line.seed.dim, thumbnail=900))
        gallery.enroll(enrolment("flake", 2, line.seed.dim, number=7))


def _acts(line: Line, folder: Path, done: Callable[[dict[str, object]], object]) -> None:
    path, dim = folder / GALLERY, line.seed.dim
    with Gallery.open(path, line.seed) as gallery:
        gallery.enroll(enrolment("crack", 3, dim, number=1, thumbnail=900))
        done(state_of(line, gallery))
        gallery.merge(line.strangers[0])
        done(state_of(line, gallery))
        line.challenge(path).add([photograph(1)], "NG", line.judge(gallery))
        done(state_of(line, gallery))
        gallery.enroll(enrolment("flake", 40, dim, number=2, thumbnail=500))
        done(state_of(line, gallery))


def _nothing(_line: Line, _folder: Path, _done: Callable[[dict[str, object]], object]) -> None:
    pass


def _problems(line: Line, folder: Path, at: int, acts: Acts) -> Iterator[str]:
    _taught(line, folder)
    told = folder.with_suffix(".acknowledged")
    told.write_bytes(b"")

    def act() -> None:
        handle = os.open(told, os.O_WRONLY | os.O_APPEND)
        logging.disable()  # it warns that other processes must wait, which is no refusal
        shim.arm(folder, shim.FULL, at)
        acknowledge = lambda state: os.write(handle, json.dumps(state).encode() + b"\n")  # noqa: E731
        _expecting_one_line("act", lambda: acts(line, folder, acknowledge))
        for name, what in _what_goes_on(line, folder, acknowledge).items():
            if error := _refusal(what):
                print(f"{name} refused: {error}")
        shim.disarm()

    ended = forking.run(act)
    if ended.status:
        yield f"traceback: {ended.text[-400:]!r} (write {at})"
    for said in ended.text.splitlines() if not ended.status else ():
        yield f"{said} (write {at})"
    lines = told.read_text().splitlines()
    for problem in problems_after(line, folder, lines[-1] if lines else ""):
        yield f"{problem} (write {at})"
    shutil.rmtree(folder)


def _what_goes_on(line: Line, folder: Path, acknowledge: Callable[[dict[str, object]], object]) -> dict[str, Callable]:
    path = folder / GALLERY

    def acting(act: Callable[[Gallery], object]) -> Callable[[], None]:
        def done() -> None:
            with Gallery.open(path, line.seed) as gallery:
                act(gallery)
                acknowledge(state_of(line, gallery))

        return done

    return {
        "predict": lambda: read_snapshot(path, line.seed),
        "undo": acting(lambda gallery: gallery.undo()),
        "forget": acting(lambda gallery: gallery.forget("crack")),
        "predict at last": lambda: read_snapshot(path, line.seed),
    }


def _expecting_one_line(name: str, what: Callable[[], None]) -> None:
    error = _refusal(what)
    if error is None:
        return
    if "\n" in error or not any(word in error.lower() for word in ("full", "space", "written")):
        print(f"{name} unclear: {error!r}")


def _refusal(what: Callable[[], object]) -> str | None:
    try:
        what()
    except EdgefsError as error:
        return str(error)
    return None
