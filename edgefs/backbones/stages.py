"""Find the places in a network where one stage of features ends and the next begins.

Any convolutional classifier will do: it is run once on a blank image while the outputs of its blocks are watched. A
stage is a run of blocks with one output shape, one of which has learned something (a pooling alone is no stage); its
last block is what is tapped.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

MAX_STAGES = 6  # the last ones; earlier stages see edges and little else


@dataclass(frozen=True)
class Stage:
    """One place to tap: the module's name in the network, its channels and its side in pixels."""

    name: str
    channels: int
    side: int


def find_stages(network: nn.Module, size: tuple[int, int], limit: int = MAX_STAGES) -> tuple[Stage, ...]:
    """The last block of each run of equal output shapes, in the order they are computed.

    Args:
        network: maps float `[N,3,H,W]` to anything.
        size: (height, width) the network is run at, pixels.
        limit: how many of the last stages to keep.
    """
    outputs: list[tuple[str, torch.Size, bool]] = []

    def watch(name: str) -> object:
        def record(module: nn.Module, _inputs: object, output: object) -> None:
            if isinstance(output, Tensor) and output.ndim == 4 and min(output.shape[2:]) > 1:
                outputs.append((name, output.shape[1:], any(True for _ in module.parameters())))

        return record

    handles = [module.register_forward_hook(watch(name)) for name, module in _blocks(network)]  # type: ignore[arg-type]
    was_training = network.training
    try:
        with torch.no_grad():
            device = next((value.device for value in network.parameters()), torch.device("cpu"))
            network.eval()(torch.zeros(1, 3, *size, device=device))
    finally:
        network.train(was_training)
        for handle in handles:
            handle.remove()
    runs = [list(run) for _, run in itertools.groupby(outputs, key=lambda output: output[1])]
    ends = [
        Stage(run[-1][0], run[-1][1][0], run[-1][1][1]) for run in runs if any(has_learned for _, _, has_learned in run)
    ]
    return tuple(ends[-limit:])


def _blocks(module: nn.Module, prefix: str = "") -> list[tuple[str, nn.Module]]:
    """Blocks in definition order: plain containers are opened, anything that computes by itself is not."""
    found: list[tuple[str, nn.Module]] = []
    for name, child in module.named_children():
        path = f"{prefix}.{name}" if prefix else name
        if type(child) is nn.Sequential:
            found += _blocks(child, path)
        else:
            found.append((path, child))
    return found


def stage_of(network: nn.Module, taps: Sequence[str], parameter: str) -> int:
    """Number of the stage, from 0, that a parameter belongs to: the first whose tap does not lie before it."""
    order = [name for name, _ in _blocks(network)]

    def place(path: str) -> int:
        return next(number for number, name in enumerate(order) if path == name or path.startswith(f"{name}."))

    here = place(parameter)
    return sum(place(tap) < here for tap in taps)
