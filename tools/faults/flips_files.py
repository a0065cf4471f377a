"""Flipped bits in what lies beside galleries: RUN folders, remembered embeddings, the index of challenge parts."""

from __future__ import annotations

import random
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np

from edgefs.embedding.cache import EmbeddingCache
from edgefs.runs.record import RUN
from edgefs.runs.run import REPORT, Run
from edgefs_runtime.base.errors import EdgefsError
from edgefs_runtime.challenge.parts import read_index, write_index
from faults.flipping import flipped
from faults.places import scratch
from faults.table import Row, tally

_GOLDEN = Path(__file__).parents[2] / "tests" / "golden"
_DIM = 96


def run_flips(count: int, seed: int) -> list[Row]:
    """Flip bits of a RUN: half of them in run.json, the others in every file that a program reads again."""
    chance = random.Random(seed)
    problems = []
    with scratch() as folder:
        run = Path(shutil.copytree(_GOLDEN / "run", folder / "run"))
        whole = Run.open(run).record
        others = sorted(run / name for name in whole.files if name != REPORT)
        for number in range(count):
            path = run / RUN if number % 2 else chance.choice(others)
            with flipped(path, chance) as at:
                problem = _unnoticed(lambda: Run.open(run).record, whole if path.name == RUN else None)
            problems += [f"{problem} ({path.name}, byte {at})"] if problem else []
    return [tally("bits flipped in a RUN", "noticed when read", count, problems)]


def parts_flips(count: int, seed: int) -> list[Row]:
    """Flip bits of the index of challenge parts."""
    chance = random.Random(seed)
    problems = []
    with scratch() as folder:
        kept = Path(shutil.copytree(_GOLDEN / "line.challenge", folder / "line.challenge"))
        whole = read_index(kept)
        write_index(kept, whole)  # as it is written today: the golden one may be of an older form
        for _ in range(count):
            with flipped(kept / "parts.json", chance) as at:
                problem = _unnoticed(lambda: read_index(kept), whole)
            problems += [f"{problem} (byte {at})"] if problem else []
    return [tally("bits flipped in parts.json", "noticed when read", count, problems)]


def cache_flips(count: int, seed: int) -> list[Row]:
    """Flip bits of a cache of embeddings, and read all of it: what is missing is computed again, a wrong one is not."""
    chance, values = random.Random(seed), np.random.default_rng(seed)
    problems = []
    with scratch() as folder:
        path = folder / "embeddings" / "cache.sqlite"
        vectors = {f"{number:064x}": values.standard_normal(_DIM).astype(np.float32) for number in range(500)}
        cache = EmbeddingCache(path)
        cache.write(vectors)
        cache.close()
        whole = path.read_bytes()
        for _ in range(count):
            with flipped(path, chance) as at:
                problems += [f"{problem} (byte {at})" for problem in _wrong(path, vectors)]
            path.write_bytes(whole)  # a damaged cache is begun anew
    return [tally("bits flipped in a cache of embeddings", "no wrong embedding served", count, problems)]


def _wrong(path: Path, vectors: dict[str, np.ndarray]) -> list[str]:
    try:
        cache = EmbeddingCache(path)
        found = cache.read(vectors, _DIM)
        cache.close()
    except Exception as error:  # a traceback before a user is what is looked for
        return [f"traceback: {type(error).__name__} {error}"]
    wrong = [digest for digest, vector in vectors.items() if (found.get(digest, vector) != vector).any()]
    return [f"unnoticed: {len(wrong)} wrong embedding served"] if wrong else []


def _unnoticed(read: Callable[[], object], whole: object) -> str:
    """What goes wrong when `read` is called; nothing where it refuses, or gives the whole content."""
    try:
        found = read()
    except EdgefsError as error:
        return f"several lines: {error!s:.80}" if "\n" in str(error) else ""
    except Exception as error:
        return f"traceback: {type(error).__name__} {error}"
    return "" if found == whole else "unnoticed: what was read is another"
