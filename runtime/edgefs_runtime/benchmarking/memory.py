"""The peak memory of each bundle, in a process of its own so that they don't share it."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass

from edgefs_runtime.base.errors import EdgefsError
from edgefs_runtime.benchmarking.enrolling import SHOTS
from edgefs_runtime.benchmarking.frames import BenchFrame
from edgefs_runtime.benchmarking.subject import BenchSubject, scratch_folder
from edgefs_runtime.gallery.database import copy_gallery

_LIMIT = 600  # seconds


@dataclass(frozen=True)
class Memory:
    """Peaks of the resident memory of a process that runs one bundle, MiB; None where the system does not tell.

    Attributes:
        deciding: after it has decided about one encoded frame.
        enrolling: after it has enrolled five as well.
    """

    deciding: float | None
    enrolling: float | None


def measure_memory(subject: BenchSubject, frame: BenchFrame, threads: int) -> Memory:
    """Start `edgefs_runtime.benchmarking.peak` and read what it prints.

    Args:
        subject: the bundle; the process gets a copy of its gallery, which must not be written to yet.
        frame: what is decided about.
        threads: of one inference.

    Raises:
        EdgefsError: the process fails.
    """
    with scratch_folder() as folder:
        image, gallery = folder / "frame", folder / "copy.gallery"
        try:
            image.write_bytes(frame.encoded)
        except OSError as error:
            raise EdgefsError(f"{image}: can't be written ({error.strerror or error}); set TMPDIR") from error
        if subject.gallery.exists():
            copy_gallery(subject.gallery, gallery)
        arguments = map(str, (subject.path, image, gallery, threads, SHOTS))
        command = [sys.executable, "-m", "edgefs_runtime.benchmarking.peak", *arguments]
        try:
            run = subprocess.run(  # noqa: S603 - this interpreter, our module
                command, capture_output=True, text=True, encoding="utf-8", check=False, timeout=_LIMIT
            )
        except subprocess.TimeoutExpired as error:
            raise EdgefsError(f"{subject.path}: measuring its memory took over {_LIMIT} seconds") from error
    if run.returncode:
        said = (run.stderr.strip().splitlines() or [f"exit status {run.returncode}"])[-1]
        raise EdgefsError(f"{subject.path}: the process that measures its memory failed ({said})")
    return Memory(**json.loads(run.stdout))
