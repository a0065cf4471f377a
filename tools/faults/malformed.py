"""Every named attack in a process of its own: one line, status 1, quick, small, nothing written or read outside."""

from __future__ import annotations

import hashlib
import os
import random
import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

from edgefs_runtime.gallery import Gallery
from faults import forking
from faults.acts import BUNDLE, GALLERY, enrolment, photograph, whole_line
from faults.attacks import BUNDLES, GALLERIES, PICTURES
from faults.attacks.making import Attack
from faults.commands import edgefs_command
from faults.places import scratch
from faults.table import Row, tally
from faults.watching import watched

SECONDS, MEGABYTES = 2.0, 200.0
_LIMIT = 8  # seconds until a hanging one is ended
_LARGEST = 100_000_000  # bytes that are looked into
_LARGE = "900 MB"  # such attacks are left to `make faults`
_WANTED = "one line, exit 1, < 2 s, < 200 MB, nothing written or read outside"
# What a person may have typed, and a black image may give: it is merged as it is, and shown without doing harm.
MAY_BE_MERGED = ("rows: actor = ", "rows: reason = 'fine", "rows: parts = '[\"\\\\u001b", "rows: vectors of zero")
_CONTROL = re.compile(r"[\x00-\x09\x0b-\x1f\x7f-\x9f]")


def malformed_bundles(count: int, seed: int) -> list[Row]:
    """`predict` with each bundle, or with `count` of them."""
    return _row("malformed bundles", BUNDLES, count, seed, _of_bundle)


def malformed_galleries(count: int, seed: int) -> list[Row]:
    """Merge each gallery into a whole one, and use it as one's own."""
    return _row("malformed galleries", GALLERIES, count, seed, _of_gallery)


def malformed_pictures(count: int, seed: int) -> list[Row]:
    """`predict` about each picture; small ones among them may be decided about."""
    return _row("malformed pictures", PICTURES, count, seed, _of_picture)


def _row(
    name: str, attacks: dict[str, Attack], count: int, seed: int, of: Callable[[str, Path, Path], Iterator[str]]
) -> list[Row]:
    names = [name for name in attacks if count >= len(attacks) or _LARGE not in name]
    chosen = names if count >= len(names) else random.Random(seed).sample(names, count)
    problems: list[str] = []
    with scratch() as folder:
        for number, attack in enumerate(chosen):
            place = folder / f"{number}" / "work"
            place.mkdir(parents=True)
            if (made := forking.run(lambda: print(attacks[attack](place)))).status:  # noqa: B023 - run at once
                raise RuntimeError(f"{attack} could not be made: {made.text}")
            problems += [f"{problem} ({attack})" for problem in of(attack, Path(made.text.strip()), place)]
            shutil.rmtree(place.parent)
    return [tally(name, _WANTED, len(chosen), problems)]


def _of_bundle(_attack: str, bundle: Path, place: Path) -> Iterator[str]:
    picture = place / "picture.png"
    picture.write_bytes(photograph(5))
    yield from _run(place, "predict", bundle, picture)


def _of_picture(_attack: str, picture: Path, place: Path) -> Iterator[str]:
    yield from _run(place, "predict", BUNDLE, picture, may_work=True)


def _of_gallery(attack: str, other: Path, place: Path) -> Iterator[str]:
    mine = place / GALLERY
    line = whole_line()
    with Gallery.open(mine, line.seed) as gallery:
        gallery.enroll(enrolment("mine", 2, line.seed.dim))
    picture = place / "picture.png"
    picture.write_bytes(photograph(5))
    may_work = attack.startswith(MAY_BE_MERGED)
    for problem in _run(place, "gallery", "merge", BUNDLE, other, "--gallery", mine, may_work=may_work):
        yield f"{problem}, by merging"
    after = edgefs_command("predict", BUNDLE, picture, "--gallery", mine, cwd=place, limit=_LIMIT)
    if after.status or "Traceback" in after.text or after.timed_out:
        yield f"bricked by merging: {after.text.strip().splitlines()[-1:]}"
    if os.path.lexists(other):
        own = edgefs_command("predict", BUNDLE, picture, "--gallery", other, cwd=place, limit=_LIMIT)
        yield from (f"{problem}, as one's own gallery" for problem in _ended_badly(own, may_work=True))


def _run(place: Path, *words: object, may_work: bool = False) -> Iterator[str]:
    """Run a command where a canary lies about, and see what it does."""
    canary = place.parent / "canary"
    for folder in (canary, place / "etc"):
        folder.mkdir()
    for path in (canary / "canary", place / "etc" / "passwd", place / "canary"):
        path.write_bytes(b"\0\0\x80\x3f" * 40_000)
    before = _listing(place.parent)
    with watched(canary / "canary", place / "etc" / "passwd", place / "canary") as opened:
        ended = edgefs_command(*words, cwd=place, limit=_LIMIT)
        read = opened()
    yield from _ended_badly(ended, may_work=may_work)
    if read:
        yield f"read outside: {', '.join(read)}"
    if ended.status > 0 and (strange := sorted(name for name, _ in _listing(place.parent) ^ before)):
        yield f"written although refused: {strange[0]}"


def _ended_badly(ended: forking.Ended, *, may_work: bool = False) -> Iterator[str]:
    text = ended.text.strip()
    if ended.timed_out:
        yield f"hangs: ended after {_LIMIT} s"
    elif "Traceback" in text or ended.status == 70:
        yield f"traceback: {text.splitlines()[-1][:200]}"
    elif ended.status == 0:
        if not (may_work or "NO_DECISION" in text):
            yield f"accepted: {text[:200]!r}"
    elif ended.status != 1:
        yield f"status {ended.status}: {text[-200:]}"
    elif len(text.splitlines()) != 1:
        yield f"several lines: {text[:200]!r}"
    if _CONTROL.search(text):
        yield f"control characters: {text[:200]!r}"
    if ended.status == 0 and re.search(r"\bnan\b", text):
        yield f"decided by NaN: {text[:200]}"
    if ended.seconds > SECONDS and not ended.timed_out:
        yield f"slow: {ended.seconds:.1f} s"
    if ended.megabytes > MEGABYTES:
        yield f"large: {ended.megabytes:.0f} MB"


def _listing(folder: Path) -> set[tuple[str, str]]:
    """Names and digests of what lies there, but for what can be made again."""
    files = (path for path in folder.rglob("*") if path.is_file() and path.suffix != ".snapshot")
    return {(str(path.relative_to(folder)), _digest(path)) for path in files if path.stat().st_size < _LARGEST}


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
