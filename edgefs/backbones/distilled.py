"""Backbones out of RUNs of `edgefs distill`, by the RUN's folder."""

from __future__ import annotations

from pathlib import Path

from safetensors.torch import load_file

from edgefs.backbones.students import STUDENTS, Student
from edgefs.backbones.weights import Backbone, fill, state_digest
from edgefs.runs.run import STUDENT, DistilledRun
from edgefs_runtime.base.errors import WeightsError


def names() -> list[str]:
    """No names: a RUN is told by its place."""
    return []


def load(name: str, weights: str | None = None) -> Backbone:
    """The student that was distilled into the folder `name`.

    Raises:
        WeightsError: it is of a size that this version does not know, or weights are named beside it.
        RunError: the folder is not a whole RUN of `edgefs distill`.
    """
    if weights is not None:
        raise WeightsError(f"--weights {weights}: --backbone {name} is a RUN, which has weights of its own")
    folder = Path(name)
    told = DistilledRun.open(folder).record.backbone
    if told.name not in STUDENTS:
        raise WeightsError(f"{folder}: a student {told.name!r}, which this edgefs does not know; update it")
    network = Student(told.name).eval()
    fill(network, load_file(folder / STUDENT), folder / STUDENT)
    return Backbone(told.name, network, told.size, told.origin, state_digest(network))
