"""The parts of the torture, with how often each is tried in the suite and in `make faults`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from faults.flips_files import cache_flips, parts_flips, run_flips
from faults.flips_gallery import gallery_flips, wal_flips
from faults.full_disk import full_disk
from faults.kills import kills
from faults.malformed import malformed_bundles, malformed_galleries, malformed_pictures
from faults.parsers import parsers
from faults.power_cuts import power_cuts
from faults.soak import soak
from faults.table import Row


@dataclass(frozen=True)
class Part:
    """A function of a count and a seed; `small` for the suite, `whole` for `make faults`."""

    run: Callable[[int, int], list[Row]]
    small: int
    whole: int


PARTS = {  # what takes longest first, for whoever runs several side by side
    "parsers": Part(parsers, 1, 120),
    "gallery_flips": Part(gallery_flips, 24, 1000),
    "soak": Part(soak, 3, 300),
    "galleries": Part(malformed_galleries, 15, 1000),
    "pictures": Part(malformed_pictures, 15, 1000),
    "bundles": Part(malformed_bundles, 40, 1000),
    "power_cuts": Part(power_cuts, 120, 2600),
    "kills": Part(kills, 40, 520),
    "full_disk": Part(full_disk, 10, 400),
    "wal_flips": Part(wal_flips, 20, 200),
    "run_flips": Part(run_flips, 40, 200),
    "parts_flips": Part(parts_flips, 40, 200),
    "cache_flips": Part(cache_flips, 40, 200),
}
