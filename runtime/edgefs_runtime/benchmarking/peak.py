"""What one bundle needs of memory: run as a process of its own, which loads nothing but what a device does.

    python -m edgefs_runtime.benchmarking.peak BUNDLE IMAGE GALLERY THREADS SHOTS

decides about the image, enrolls it so many times, and prints the peaks after each as JSON.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from edgefs_runtime.classifier import Classifier


def peak_memory() -> float | None:
    """The most memory that this process ever held, MiB; None where the system does not tell.

    Linux counts in `ru_maxrss` also what the parent held when it started this process, so there the peak of its own
    address space is read instead.
    """
    status = Path("/proc/self/status")
    if status.exists():
        for line in status.read_text(encoding="ascii", errors="replace").splitlines():
            if line.startswith("VmHWM:"):
                return float(line.split()[1]) / 1024
    try:
        import resource
    except ImportError:  # Windows
        return None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 2**20 if sys.platform == "darwin" else peak / 1024


def _main(bundle: str, image: str, gallery: str, threads: str, shots: str) -> None:
    with Classifier.open(bundle, gallery=gallery, threads=int(threads), challenge=False) as classifier:
        classifier.predict([image])
        deciding = peak_memory()
        classifier.enroll("edgefs bench memory", [image] * int(shots), force=True, keep_images=False)
        sys.stdout.write(json.dumps({"deciding": deciding, "enrolling": peak_memory()}))


if __name__ == "__main__":
    _main(*sys.argv[1:])
