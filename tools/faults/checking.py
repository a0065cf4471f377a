"""What is looked at after a power cut, a kill, or a full disk: whether anything acknowledged is missing."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator
from pathlib import Path

from edgefs_runtime.base.errors import EdgefsError
from edgefs_runtime.base.state import challenge_folder
from edgefs_runtime.gallery import Gallery, check_gallery, read_snapshot
from faults.acts import GALLERY, Line, enrolment, photograph, state_of

_LEFTOVER = re.compile(r"\..*|.*(\.new|-wal|-journal|-shm|\.owner|\.tmp)")


def problems_after(line: Line, folder: Path, acknowledged: str) -> Iterator[str]:
    """What is wrong with what lies there, each as `kind: what`.

    One more act is done, another owner starts, and one more part is kept.

    Args:
        line: the bundle in use.
        folder: of the gallery; it is written to.
        acknowledged: the latest that `acts.day` was told; empty before the first act.
    """
    try:
        yield from _read_and_teach(line, folder, json.loads(acknowledged or '{"log": [], "counts": {}, "parts": []}'))
    except EdgefsError as error:
        yield f"refused: {error}"
    except Exception as error:  # a traceback before a user is what is looked for
        yield f"traceback: {type(error).__name__} {error}"
    else:
        yield from (f"leftover: {name}" for name in leftovers(folder))


def leftovers(folder: Path) -> list[str]:
    """Files that no running process needs."""
    return sorted(path.name for path in folder.rglob("*") if _LEFTOVER.fullmatch(path.name))


def _read_and_teach(line: Line, folder: Path, wanted: dict[str, object]) -> Iterator[str]:
    path = folder / GALLERY
    if wanted["log"] and not path.exists():
        yield "lost: the whole gallery"
        return
    read_snapshot(path, line.seed)
    with Gallery.open(path, line.seed) as gallery:
        yield from _lost(line, gallery, wanted)
        gallery.enroll(enrolment("after", 2, line.seed.dim))
        before = state_of(line, gallery)
    with Gallery.open(path, line.seed) as gallery:
        if state_of(line, gallery) != before:
            yield "lost: what was taught after it"
        line.challenge(path).add([photograph(9)], "NG", line.judge(gallery))
    yield from (f"damaged: {problem}" for problem in check_gallery(path))


def _lost(line: Line, gallery: Gallery, wanted: dict[str, object]) -> Iterator[str]:
    found = state_of(line, gallery)
    if missing := [digest for digest in wanted["log"] if digest not in found["log"]]:
        yield f"lost: {len(missing)} acts of {len(wanted['log'])}"
    elif found["log"] == wanted["log"] and wanted["log"] and found["counts"] != wanted["counts"]:
        yield f"lost: {wanted['counts']} counted, now {found['counts']}"
    folder = challenge_folder(gallery.path)
    if missing := set(wanted["parts"]) - set(found["parts"]):
        yield f"lost challenge parts: {len(missing)}"
    for part in line.challenge(gallery.path).parts():
        file = folder / part.file_name
        if not file.exists() or hashlib.sha256(file.read_bytes()).hexdigest() != part.sha256:
            yield f"lost challenge parts: the photograph of {part.id}"
