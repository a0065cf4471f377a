"""A disk that is full from one write on: what the acts say, and whether undo, forget, closing and deciding go on."""

from __future__ import annotations

import functools
import json
import logging
import os
import resource
import shutil
import signal
import subprocess
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
        tries = max(2, count // 8)
        rows = [
            tally("disk full from one write of an act on", _WANTED, len(at), amid),
            tally("disk full before undo and forget", _WANTED, len(early), before),
            tally(
                "files that may grow no further (RLIMIT_FSIZE)",
                "clear error, nothing lost, predict goes on",
                tries,
                _limited(line, folder, tries),
            ),
        ]
        if _can_mount(folder / "probe"):
            problems = _on_small_disks(line, folder, tries)
            rows.append(tally("a disk of 4 MB (tmpfs) with some KB left", _WANTED, tries, problems))
    return rows


def _limited(line: Line, folder: Path, tries: int) -> list[str]:
    """No file of the process grows beyond a limit, from one below the gallery's size to one above the acts'."""
    found = []
    for number in range(tries):
        limit = 60_000 + number * 400_000 // tries

        def begin(limit: int = limit) -> None:
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)  # as Python does itself
            resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))

        def end() -> None:
            resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))

        found += _problems(line, folder / "victim", number, _acts, begin, end)
    # A reserve that is given back makes no file's limit higher: here acts may be refused, in one clear line.
    return [problem for problem in found if not problem.startswith(("undo refused", "forget refused"))]


def _on_small_disks(line: Line, folder: Path, tries: int) -> list[str]:
    """A file system that is full but for some KB, from none to what the acts need."""
    disk, found = folder / "disk", []
    disk.mkdir()
    for number in range(tries):
        left = number * 400 // tries * 1024
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", str(disk)], check=True)
        try:
            found += _problems(
                line, disk / "victim", number, _acts, functools.partial(_fill, disk, left), _nothing_more
            )
        finally:
            subprocess.run(["umount", "-l", str(disk)], check=True)
    return found


def _fill(disk: Path, left: int) -> None:
    room = os.statvfs(disk)
    with (disk / "ballast").open("wb") as file:
        file.write(bytes(max(0, room.f_bavail * room.f_frsize - left)))


def _nothing_more() -> None:
    pass


def _can_mount(folder: Path) -> bool:
    folder.mkdir()
    tried = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(folder)], capture_output=True, check=False
    )
    if tried.returncode == 0:
        subprocess.run(["umount", str(folder)], check=True)
    return tried.returncode == 0


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


def _problems(
    line: Line,
    folder: Path,
    at: int,
    acts: Acts,
    begin: Callable[[], object] | None = None,
    end: Callable[[], object] = lambda: None,
) -> Iterator[str]:
    """What goes wrong where the disk is full from write `at` on, or from what `begin` does until `end`."""
    _taught(line, folder)
    told = line.strangers[0].with_name("acknowledged")  # on no full disk
    told.write_bytes(b"")

    def act() -> None:
        handle = os.open(told, os.O_WRONLY | os.O_APPEND)
        logging.disable()  # it warns that other processes must wait, which is no refusal
        begin() if begin else shim.arm(folder, shim.FULL, at)
        acknowledge = lambda state: os.write(handle, json.dumps(state).encode() + b"\n")  # noqa: E731
        _expecting_one_line("act", lambda: acts(line, folder, acknowledge))
        for name, what in _what_goes_on(line, folder, acknowledge).items():
            if error := _refusal(what):
                print(f"{name} refused: {error}")
        end() if begin else shim.disarm()

    ended = forking.run(act)
    if ended.status:
        yield f"traceback: {ended.text[-400:]!r} (write {at})"
    for said in ended.text.splitlines() if not ended.status else ():
        yield f"{said} (write {at})"
    (folder.parent / "ballast").unlink(missing_ok=True)
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
