"""What is needed to go on after a training was killed, one file for each training of a run.

They lie beside the RUN that is being made, under a hidden name, and go when it is written. A file is taken up only by
the very training that wrote it: its name says the data, the settings and the versions.
"""

from __future__ import annotations

import hashlib
import os
import pickle
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from edgefs.runs.versions import versions
from edgefs_runtime.bundle.identity import canonical_json

_ARITHMETIC = ("edgefs", "torch", "torchvision")  # another version may end with other values


@dataclass(frozen=True)
class Checkpoints:
    """The folder of one run's checkpoints.

    Attributes:
        folder: where they lie.
        origin: everything that the training's outcome depends on, as JSON values.
    """

    folder: Path
    origin: Mapping[str, Any]

    @classmethod
    def beside(cls, run: Path, origin: Mapping[str, Any]) -> Checkpoints:
        """Checkpoints of the RUN that is to stand at `run`; versions of the software belong to every origin."""
        known = versions()
        used = {name: known[name] for name in _ARITHMETIC if name in known}
        return cls(run.with_name(f".{run.name}.training"), {**origin, "versions": used})

    def place(self, name: str) -> Path:
        """The file of one of the run's trainings."""
        digest = hashlib.sha256(canonical_json({"training": name, **self.origin}).encode()).hexdigest()
        return self.folder / f"{digest[:24]}.pt"

    def clear(self) -> None:
        """The RUN is written: nothing has to be taken up any more."""
        shutil.rmtree(self.folder, ignore_errors=True)


def save(path: Path, state: Mapping[str, Any]) -> None:
    """Replace a checkpoint, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f"{path.name}.{os.getpid()}.new")
    torch.save(dict(state), temporary)
    temporary.replace(path)


def load_checkpoint(path: Path) -> dict[str, Any] | None:
    """A checkpoint; None where there is none, or one that can't be read (it is made again)."""
    try:
        state: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
    except (OSError, RuntimeError, EOFError, ValueError, pickle.UnpicklingError):
        return None
    return state
