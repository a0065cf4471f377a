"""Gradient reversal: the one line by which a minimiser plays both sides of a game.

Domain-adversarial training of neural networks, Ganin et al. 2016 (arXiv:1505.07818): forward nothing happens, backward
the gradient changes its sign. What stands behind the layer (the domain classifier) learns to tell the domains apart;
what stands before it (the features) learns that they can't be told apart. docs/adr/0008 says why it is done so.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

_STEEPNESS = 10.0  # γ of the paper's schedule


class _Reversal(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, features: Tensor, strength: float) -> Tensor:
        ctx.strength = strength
        return features.view_as(features)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        return -ctx.strength * gradient, None


def reverse_gradient(features: Tensor, strength: float) -> Tensor:
    """Pass values through unchanged; their gradient comes back multiplied by `-strength`."""
    reversed_: Tensor = _Reversal.apply(features, strength)
    return reversed_


def reversal_strength(done: float) -> float:
    """λ of the paper, 0 at the start and nearly 1 from the middle on: the classifier must first be worth confusing.

    Args:
        done: share of the training that lies behind, 0 to 1.
    """
    return 2 / (1 + math.exp(-_STEEPNESS * done)) - 1
