"""`nano`: the backbone whose weights travel inside the package.

- `load_nano`: the network with the packaged weights, ready to embed.
- `load_packaged`: the same as a backbone, or the network with other weights.
- `pack_nano`: how `make nano` writes those weights.

The network is `edgefs.backbones.students.Student`, the model card NANO.md beside this file.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from safetensors.torch import load_file, save
from torch import Tensor

from edgefs.backbones.students import Student, load_student
from edgefs.backbones.weights import Backbone, state_digest
from edgefs.settings.choices import STUDENT_SIZE

NANO_WEIGHTS = Path(__file__).with_name("nano.safetensors")


def load_nano() -> Student:
    """`nano` with the packaged weights, in float32 and evaluation mode.

    Raises:
        FileNotFoundError: the package was installed without its weights file.
    """
    network = Student("nano")
    state = load_file(NANO_WEIGHTS)
    network.load_state_dict({name: value.float() if value.dim() else value for name, value in state.items()})
    return network.eval()


def load_packaged(weights: str | None) -> Backbone:
    """`nano` with the packaged weights, or with those that are named.

    Raises:
        WeightsError: the file can't be read, or doesn't fit.
    """
    if weights is not None:
        return load_student("nano", weights)
    network = load_nano()
    return Backbone("nano", network, STUDENT_SIZE, "packaged weights", state_digest(network))


def pack_nano(state: Mapping[str, Tensor]) -> bytes:
    """The weights as they are shipped: convolutions in float16, batch norm in float32, since its range is wide."""
    return save(
        {name: (value.half() if value.dim() == 4 else value).cpu().contiguous() for name, value in state.items()}
    )
