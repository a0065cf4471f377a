"""The machine that times belong to, and whether it has something else to do meanwhile."""

from __future__ import annotations

import os
import platform
from dataclasses import dataclass

import numpy as np

from edgefs_runtime.base.processor import this_processor
from edgefs_runtime.base.version import __version__
from edgefs_runtime.base.wording import counted

_BUSY = 0.25  # of the cores, on average over the last minute


@dataclass(frozen=True)
class Machine:
    """What a time is worthless without.

    Attributes:
        processor: its name.
        architecture: as `platform.machine()` names it.
        system: operating system and its version.
        cores: that this process may use.
        load: average over the last minute when measuring began, processes; None where the system does not tell.
        onnxruntime: its version.
        numpy: its version.
        python: its version.
        edgefs: its version.
    """

    processor: str
    architecture: str
    system: str
    cores: int
    load: float | None
    onnxruntime: str
    numpy: str
    python: str
    edgefs: str

    @classmethod
    def here(cls) -> Machine:
        """Describe the machine that this runs on, as it is now."""
        import onnxruntime

        return cls(
            processor=this_processor().name,
            architecture=platform.machine(),
            system=f"{platform.system()} {platform.release()}",
            cores=_cores(),
            load=_load(),
            onnxruntime=onnxruntime.__version__,
            numpy=np.__version__,
            python=platform.python_version(),
            edgefs=__version__,
        )

    @property
    def warning(self) -> str:
        """A sentence where something else keeps the machine busy; else empty."""
        if self.load is None or self.load < _BUSY * self.cores:
            return ""
        return (
            f"the machine is busy (load average {self.load:.1f} on {counted(self.cores, 'core')}): "
            "times are longer and spread wider than on an idle one"
        )


def _cores() -> int:
    if hasattr(os, "sched_getaffinity"):  # what a container or `taskset` leaves
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _load() -> float | None:
    try:
        return os.getloadavg()[0]
    except (AttributeError, OSError):
        return None
