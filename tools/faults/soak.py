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
_WANTED = "< 1 MB/h memory, flat descriptors, bounded file"


def soak(count: int, seed: int) -> list[Row]:
    """Loop for `count` seconds."""
    with scratch() as folder:
        ended = forking.run(lambda: print(json.dumps(_loop(folder / GALLERY, count, seed))), limit=count + 60)
    if ended.status:
        return [Row(f"soak of {count:,} s", _WANTED, f"ended: {ended.text[-300:]}", holds=False)]
    return [_judged(count, np.array(json.loads(ended.text.splitlines()[-1])))]


def _loop(gallery: Path, seconds: int, seed: int) -> list[tuple[float, float, float, float]]:
    """Time in s, resident MB, descriptors and MB on disk."""
    samples: list[tuple[float, float, float, float]] = []
    started, every = time.monotonic(), seconds / _SAMPLES
    with Classifier.open(BUNDLE, gallery=gallery, threads=1) as classifier:
        for number in itertools.count(seed):
            files = [photograph(number % 50 * 10 + image) for image in range(5)]
            classifier.enroll("soaked", files, force=True, keep_images=True)
            classifier.predict(files[:2])
            classifier.forget("soaked", force=True)
            now = time.monotonic() - started
            if now >= every * len(samples):
                samples.append((now, _resident(), len(os.listdir("/proc/self/fd")), _size(gallery.parent)))  # noqa: PTH208
            if now > seconds:
                return samples
    raise AssertionError("not reached")


def _judged(seconds: int, samples: np.ndarray) -> Row:
    late = samples[len(samples) // 3 :]
    hours = (late[:, 0] - late[0, 0]) / 3600
    memory, files = (float(np.polyfit(hours, late[:, column], 1)[0]) for column in (1, 3))
    grown = float(late[-1, 1] - late[0, 1])
    descriptors = int(np.ptp(late[:, 2]))
    bounded = late[len(late) // 2 :, 3].max() <= 1.05 * late[: len(late) // 2, 3].max()
    small = memory < 1 if seconds > _SETTLED else grown < 1
    got = f"{memory:.1f} MB/h memory ({grown:+.1f} MB), {descriptors} descriptors, {files:.0f} MB/h file"
    return Row(f"soak of {seconds:,} s", _WANTED, got, holds=bool(small and bounded and not descriptors))


def _resident() -> float:
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def _size(folder: Path) -> float:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) / 1e6
