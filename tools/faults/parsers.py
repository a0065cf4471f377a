"""Every parser fed by hypothesis with whole inputs that were spoilt: only an `EdgefsError` of one line may come out."""

from __future__ import annotations

import io
import json
import time
import traceback
from collections.abc import Callable
from pathlib import Path

import hypothesis
from hypothesis import strategies as st
from PIL import Image

from edgefs_runtime.base.archive import ArchiveError, read_archive
from edgefs_runtime.base.errors import EdgefsError
from edgefs_runtime.bundle.golden import Golden
from edgefs_runtime.bundle.manifest import parse_manifest
from edgefs_runtime.bundle.seed import unpack_gallery
from edgefs_runtime.embedders.onnx import OnnxEmbedder
from edgefs_runtime.gallery import Gallery
from edgefs_runtime.images import open_image
from edgefs_runtime.images.kept import keep_image, read_picture
from edgefs_runtime.images.preprocess import Preprocess
from faults import forking
from faults.acts import BUNDLE, enrolment, photograph, whole_line
from faults.attacks.galleries import foreign
from faults.attacks.making import members
from faults.malformed import MEGABYTES, SECONDS
from faults.places import scratch
from faults.spoiling import spoilt, spoilt_json
from faults.table import Row, tally

_BATCH = 50  # examples between two looks at the clock
_IMAGES = ("PNG", "JPEG", "BMP", "TIFF", "WEBP", "PPM", "GIF")
Parser = tuple[Callable[[bytes], object], st.SearchStrategy[bytes]]


def parsers(count: int, seed: int) -> list[Row]:
    """Feed each parser for `count` seconds."""
    with scratch() as folder:
        return [_row(name, parser, count, seed) for name, parser in _parsers(folder).items()]


def _parsers(folder: Path) -> dict[str, Parser]:
    content = members()
    return {
        "manifest": (parse_manifest, spoilt_json(json.loads(content["manifest.json"]))),
        "zip": (_archive, spoilt(BUNDLE.read_bytes())),
        "npz": (_arrays, st.one_of(spoilt(content["gallery.npz"]), spoilt(content["golden.npz"]))),
        "ONNX gate": (OnnxEmbedder, spoilt(content["embedder.onnx"])),
        "merge": (_merging(folder), spoilt(foreign(folder).read_bytes())),
        "kept pictures": (read_picture, spoilt(keep_image(photograph(5), Preprocess((24, 32), roi=(1, 2, 20, 20))))),
        "images": (open_image, st.one_of([spoilt(_image(kind)) for kind in _IMAGES])),
    }


def _row(name: str, parser: Parser, seconds: int, seed: int) -> Row:
    ended = forking.run(lambda: _feed(*parser, seconds, seed), limit=seconds + 120)
    lines = ended.text.splitlines()
    tried = int(lines[-1]) if lines and lines[-1].isdigit() else 0
    problems = lines[:-1] if tried else [f"ended: status {ended.status}, {ended.text[-200:]!r}"]
    if ended.megabytes > 2 * MEGABYTES:
        problems.append(f"large: {ended.megabytes:.0f} MB")
    return tally(f"hypothesis: {name}, {seconds} s", "an error of one line or none, < 2 s", tried, problems)


def _feed(parse: Callable[[bytes], object], inputs: st.SearchStrategy[bytes], seconds: int, seed: int) -> None:
    until, tried, found = time.monotonic() + seconds, 0, set()

    def fed(data: bytes) -> None:
        nonlocal tried
        tried += 1
        if (problem := _problem(parse, data)) and problem not in found:
            found.add(problem)
            print(problem, flush=True)

    while time.monotonic() < until:
        seed += 1
        settings = hypothesis.settings(
            max_examples=_BATCH,
            deadline=None,
            database=None,
            phases=[hypothesis.Phase.generate],
            suppress_health_check=list(hypothesis.HealthCheck),
        )
        hypothesis.seed(seed)(settings(hypothesis.given(inputs)(fed)))()
    print(tried)


def _problem(parse: Callable[[bytes], object], data: bytes) -> str:
    started = time.process_time()
    try:
        parse(data)
    except (EdgefsError, ArchiveError) as error:
        if "\n" in str(error):
            return f"several lines: {type(error).__name__}"
    except Exception as error:
        place = traceback.extract_tb(error.__traceback__)[-1]
        return f"traceback: {type(error).__name__} in {Path(place.filename).name}:{place.lineno} {place.name}"
    return f"slow: over {SECONDS:.0f} s" if time.process_time() - started > SECONDS else ""


def _archive(data: bytes) -> None:
    for member in read_archive(data).values():
        member.is_intact()


def _arrays(data: bytes) -> None:
    for read in (unpack_gallery, Golden.from_bytes):
        try:
            read(data)
        except EdgefsError:
            continue


def _merging(folder: Path) -> Callable[[bytes], None]:
    """Merge a file into a gallery that stays open, and undo what comes of it."""
    line, other = whole_line(), folder / "spoilt.gallery"
    mine: list[Gallery] = []

    def merge(data: bytes) -> None:
        if not mine:  # in the process that feeds: SQLite's connections may not be forked
            mine.append(Gallery.open(folder / "mine.gallery", line.seed))
            mine[0].enroll(enrolment("mine", 2, line.seed.dim))
        other.write_bytes(data)
        if mine[0].merge(other).rows:
            mine[0].snapshot()
            mine[0].undo()

    return merge


def _image(kind: str) -> bytes:
    file = io.BytesIO()
    Image.open(io.BytesIO(photograph(3))).save(file, kind)
    return file.getvalue()
