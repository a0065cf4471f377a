"""Backbones by name. A backbone of one's own is one function here and one line in `BACKBONES`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from safetensors.torch import load_file
from torch import nn

from edgefs.backbones.conv4 import load_conv4
from edgefs.backbones.nano import load_nano
from edgefs.backbones.pico import PICO_MEAN, PICO_SIZE, PICO_STD, untrained_pico
from edgefs.backbones.students import STUDENTS, Student, untrained_student
from edgefs.backbones.torchvision_models import is_cached, load_torchvision
from edgefs.backbones.weights import RANDOM, Backbone, fill, from_file, state_digest
from edgefs.runs.run import STUDENT, DistilledRun
from edgefs.settings.choices import STUDENT_SIZE
from edgefs_runtime.base.errors import WeightsError

PREFERRED = "mobilenet_v2"


def load_backbone(name: str, weights: str | None = None) -> Backbone:
    """The backbone called `name`, ready to embed.

    Args:
        name: a key of `BACKBONES`, one of torchvision's classification networks, or a RUN of `edgefs distill`.
        weights: a `.pth` or `.safetensors` file, or the name of one of torchvision's sets; None takes the usual one.

    Raises:
        WeightsError: no such backbone, or its weights can't be had or don't fit.
        RunError: the folder is not a whole RUN of `edgefs distill`.
    """
    if name in BACKBONES:
        return BACKBONES[name](weights)
    if Path(name).is_dir() or Path(name).name != name:
        if weights is not None:
            raise WeightsError(f"--weights {weights}: --backbone {name} is a RUN, which has weights of its own")
        return _distilled(Path(name))
    return load_torchvision(name, weights)


def architecture(name: str) -> nn.Module:
    """The network called `name` with whatever values, to be filled from a RUN.

    Raises:
        WeightsError: no such backbone.
    """
    return BACKBONES[name](None).network if name in BACKBONES else load_torchvision(name, RANDOM).network


def default_backbone() -> tuple[Backbone, str]:
    """The backbone for who names none, and a sentence that says which and why.

    torchvision's MobileNetV2 where its weights are cached or can be downloaded, else `nano`.
    """
    cached = is_cached(PREFERRED)
    try:
        backbone = load_backbone(PREFERRED)
    except WeightsError:
        return load_backbone("nano"), (
            f"Backbone: nano, which travels in the package ({PREFERRED} is neither cached nor can it be downloaded)."
        )
    how = "cached" if cached else "downloaded now"
    return backbone, f"Backbone: {PREFERRED} with ImageNet weights ({how})."


def _distilled(folder: Path) -> Backbone:
    run = DistilledRun.open(folder)
    told = run.record.backbone
    if told.name not in STUDENTS:
        raise WeightsError(f"{folder}: a student {told.name!r}, which this edgefs does not know; update it")
    network = Student(told.name).eval()
    fill(network, load_file(folder / STUDENT), folder / STUDENT)
    return Backbone(told.name, network, told.size, told.origin, state_digest(network))


def _student(size: str) -> Callable[[str | None], Backbone]:
    """`nano` comes with its weights, the other sizes have none before they are distilled."""

    def load(weights: str | None) -> Backbone:
        packaged = size == "nano" and weights is None
        network = load_nano() if packaged else untrained_student(size)
        origin = "packaged weights" if packaged else "random weights: `edgefs distill` trains it"
        backbone = Backbone(size, network, STUDENT_SIZE, origin, state_digest(network), trained=packaged)
        return from_file(backbone, weights)

    return load


def _pico(weights: str | None) -> Backbone:
    network, origin = untrained_pico(), "random weights: for methods that train every layer"
    digest = state_digest(network)
    return from_file(Backbone("pico", network, PICO_SIZE, origin, digest, PICO_MEAN, PICO_STD, trained=False), weights)


BACKBONES: dict[str, Callable[[str | None], Backbone]] = {
    "conv4": load_conv4,
    "pico": _pico,
    **{size: _student(size) for size in STUDENTS},
}
