"""Hours of enroll, predict and forget in one process: memory, descriptors and the gallery's size stay flat."""

from __future__ import annotations

import itertools
import json
import os
import time
from pathlib import Path

import numpy as np

from edgefs_runtime import Classifier
from faults import forking
from faults.acts import BUNDLE, GALLERY, photograph
from faults.places import scratch
from faults.table import Row

_SAMPLES = 300  # at most, evenly spread
_SETTLED = 600  # seconds below which a slope by the hour says nothing, and growth in itself counts
_LEAST = 300  # cycles: what was forgotten is let go every 64 acts
_GROWN = 2.0  # MB of memory in a shorter one: lists that double, pools of the allocator
_EACH = 2.5  # KB of the file in a cycle: two rows of the audit log, which stays
_WANTED = "< 1 MB/h memory, flat descriptors, bounded file"


def soak(count: int, seed: int) -> list[Row]:
    """Loop for `count` seconds, and longer where the machine is slow."""
    with scratch() as folder:
        ended = forking.run(lambda: print(json.dumps(_loop(folder / GALLERY, count, seed))), limit=count + 200)
    if ended.status:
        return [Row(f"soak of {count:,} s", _WANTED, f"ended: {ended.text[-300:]}", holds=False)]
    return [_judged(count, np.array(json.loads(ended.text.splitlines()[-1])))]


def _loop(gallery: Path, seconds: int, seed: int) -> list[tuple[float, float, float, float, float]]:
    """Time in s, resident MB, descriptors, MB on disk, and cycles by then."""
    samples: list[tuple[float, float, float, float, float]] = []
    started, every = time.monotonic(), seconds / _SAMPLES
    with Classifier.open(BUNDLE, gallery=gallery, threads=1) as classifier:
        classifier.gallery.compact(0)  # a site that keeps nothing of what it forgot
        for number in itertools.count():
            files = [photograph(seed + number % 50 * 2 + image) for image in range(2)]
            classifier.enroll("soaked", files, force=True, keep_images=True)
            classifier.predict(files[:1])
            classifier.forget("soaked", force=True)
            now = time.monotonic() - started
            if now >= every * len(samples):
                descriptors = len(os.listdir("/proc/self/fd"))  # noqa: PTH208
                samples.append((now, _resident(), descriptors, _size(gallery.parent), number))
            if now > seconds and number > _LEAST:
                return samples
    raise AssertionError("not reached")


def _judged(seconds: int, samples: np.ndarray) -> Row:
    """Slopes over the last two thirds; what the audit log takes of each cycle is told beside them."""
    late = samples[len(samples) // 3 :]
    hours, cycles = (late[:, 0] - late[0, 0]) / 3600, late[:, 4] - late[0, 4]
    memory = float(np.polyfit(hours, late[:, 1], 1)[0])
    each = [1000 * float(np.polyfit(cycles, late[:, column], 1)[0]) for column in (1, 3)]
    descriptors = int(np.ptp(late[:, 2]))
    small = memory < 1 if seconds > _SETTLED else late[-1, 1] - late[0, 1] < _GROWN
    got = (
        f"{memory:,.1f} MB/h memory, {descriptors} descriptors more; {each[0]:.2f} KB memory and {each[1]:.2f} KB file "
        f"in each of {samples[-1, 4]:,.0f} cycles, {samples[-1, 3]:.1f} MB at last"
    )
    return Row(f"soak of {seconds:,} s", _WANTED, got, holds=bool(small and each[1] < _EACH and not descriptors))


def _resident() -> float:
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def _size(folder: Path) -> float:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) / 1e6
