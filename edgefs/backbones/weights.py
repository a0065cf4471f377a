"""What a loaded backbone is, and how a file of weights gets into a network.

Files are only ever read as data: `.pth` with torch's `weights_only`, `.safetensors` by its own reader. A classifier of
another number of classes is passed over, since no stage lies behind it.
"""

from __future__ import annotations

import dataclasses
import hashlib
import pickle
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from edgefs_runtime.base.errors import WeightsError

RANDOM = "random"  # instead of a file: the values a network is made with
IMAGENET_MEAN = (0.485, 0.456, 0.406)  # red green blue, of values 0 to 1
IMAGENET_STD = (0.229, 0.224, 0.225)
_WRAPPERS = ("state_dict", "model", "model_state_dict", "model_state")  # what trainers call the weights in their files
_PREFIXES = ("module.", "model.", "backbone.", "_orig_mod.")  # what they put in front of every name


@dataclass(frozen=True)
class Backbone:
    """A pretrained network, in evaluation mode.

    Attributes:
        name: `nano`, or torchvision's name.
        network: maps normalised float32 `[N,3,H,W]` to anything; its blocks can be tapped.
        size: height and width of the input it was trained at, pixels.
        origin: where the weights came from, as a phrase: `torchvision IMAGENET1K_V1`.
        digest: hex SHA-256 of the weights: names the network's values wherever they came from.
        mean: subtracted from values of 0 to 1, red green blue.
        std: what they are then divided by.
        trained: False where the values are random and mean nothing before a method has trained them.
    """

    name: str
    network: nn.Module
    size: int
    origin: str
    digest: str
    mean: tuple[float, float, float] = IMAGENET_MEAN
    std: tuple[float, float, float] = IMAGENET_STD
    trained: bool = True


def from_file(backbone: Backbone, weights: str | None) -> Backbone:
    """A backbone with the values of a weights file; as it came where none is named, or `random`.

    Raises:
        WeightsError: the file can't be read, or doesn't fit.
    """
    if weights in (None, RANDOM):
        return backbone
    path = Path(weights)
    fill(backbone.network, {name: value.float() for name, value in read_weights(path).items()}, path)
    origin, digest = f"weights file {path.name}", state_digest(backbone.network)
    return dataclasses.replace(backbone, origin=origin, digest=digest, trained=True)


def state_digest(network: nn.Module) -> str:
    """Hex SHA-256 over names, shapes and values of everything a network has learned."""
    digest = hashlib.sha256()
    for name, value in sorted(network.state_dict().items()):
        digest.update(f"{name} {value.dtype} {tuple(value.shape)}\n".encode())
        digest.update(value.detach().cpu().contiguous().view(-1).view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()


def read_weights(path: Path) -> dict[str, Tensor]:
    """Named tensors of a `.pth`, `.pt` or `.safetensors` file, without the wrappers that trainers put around them.

    Raises:
        WeightsError: no such file, not a file of plain tensors, or one that would have to run code to be read.
    """
    if not path.is_file():
        raise WeightsError(f"--weights {path}: no such file; pass a .pth or .safetensors file, or a torchvision name")
    try:
        content = (
            load_file(path)
            if path.suffix == ".safetensors"
            else torch.load(path, map_location="cpu", weights_only=True)
        )
    except (pickle.UnpicklingError, SafetensorError, RuntimeError, OSError, EOFError, ValueError) as error:
        raise WeightsError(
            f"--weights {path}: not a file of plain tensors (.pth saved from a state_dict, or .safetensors)"
        ) from error
    return _unwrapped(content, path)


def fill(network: nn.Module, weights: Mapping[str, Tensor], path: Path) -> None:
    """Load `weights` into `network`; the last linear layer may be missing or of another size.

    Raises:
        WeightsError: a tensor that a stage needs is missing or has another shape.
    """
    own = network.state_dict()
    head = _last_linear(network)
    wanted = [name for name in own if not (head and name.startswith(f"{head}."))]
    missing = [name for name in wanted if name not in weights and not name.endswith("num_batches_tracked")]
    if missing:
        raise WeightsError(
            f"--weights {path}: holds {len(wanted) - len(missing)} of the {len(wanted)} tensors that this backbone "
            f"needs; the first one missing is {missing[0]}: is it of another architecture?"
        )
    for name in wanted:
        if name in weights and weights[name].shape != own[name].shape:
            raise WeightsError(
                f"--weights {path}: {name} has shape {tuple(weights[name].shape)}, this backbone needs "
                f"{tuple(own[name].shape)}: is it of another architecture?"
            )
    usable = {name: value for name, value in weights.items() if name in own and value.shape == own[name].shape}
    network.load_state_dict(usable, strict=False)


def _unwrapped(content: object, path: Path) -> dict[str, Tensor]:
    while isinstance(content, Mapping):
        tensors = {str(name): value for name, value in content.items() if isinstance(value, Tensor)}
        if tensors:
            return _without_prefix(tensors)
        inner = next((content[name] for name in _WRAPPERS if isinstance(content.get(name), Mapping)), None)
        if inner is None:
            break
        content = inner
    raise WeightsError(f"--weights {path}: holds no named tensors; save the network's state_dict()")


def _without_prefix(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    for prefix in _PREFIXES:
        if all(name.startswith(prefix) for name in tensors):
            return _without_prefix({name[len(prefix) :]: value for name, value in tensors.items()})
    return tensors


def _last_linear(network: nn.Module) -> str:
    names = [name for name, module in network.named_modules() if isinstance(module, nn.Linear)]
    return names[-1] if names else ""
