"""Adaptive batch normalisation: the statistics of a domain, estimated without a label and without a gradient.

Revisiting batch normalization for practical domain adaptation, Li et al. 2016 (arXiv:1603.04779).
"""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm


def has_batch_norm(network: nn.Module) -> bool:
    """Whether there are any statistics to estimate."""
    return any(isinstance(module, _BatchNorm) for module in network.modules())


@torch.no_grad()
def estimate_statistics(network: nn.Module, batches: Iterable[Tensor]) -> None:
    """Replace the running statistics of every batch normalisation by the average over batches of a domain.

    Args:
        network: left in evaluation mode.
        batches: what `network` takes, enough of each to estimate a mean by.
    """
    layers = [module for module in network.modules() if isinstance(module, _BatchNorm)]
    momenta = [layer.momentum for layer in layers]
    for layer in layers:
        layer.reset_running_stats()
        layer.momentum = None  # torch's way to say: the plain average over all batches
    network.eval()
    for layer in layers:
        layer.train()
    for batch in batches:
        network(batch)
    for layer, momentum in zip(layers, momenta, strict=True):
        layer.momentum = momentum
    network.eval()
