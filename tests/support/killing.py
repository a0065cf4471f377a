"""Kill a training in its middle, as a power cut would."""

from __future__ import annotations

import signal
import subprocess
import time
from pathlib import Path

import torch


def killed_in_training(command: list[str], out: Path) -> int:
    """Start what trains for the RUN at `out`, kill -9 it once it has a checkpoint, and return the epoch it was at."""
    training = out.with_name(f".{out.name}.training")
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    while process.poll() is None and not (training.exists() and list(training.glob("*.pt"))):
        time.sleep(0.005)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert process.returncode == -signal.SIGKILL
    return int(torch.load(next(training.glob("*.pt")), weights_only=True)["epochs"][-1]["number"])
