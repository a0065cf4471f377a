"""The adversarial objective of DANN: one loss that the domain classifier minimises and the features maximise.

Domain-adversarial training of neural networks, Ganin et al. 2016 (arXiv:1505.07818).
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional


def domain_loss(of_source: Tensor, of_target: Tensor) -> Tensor:
    """Cross-entropy of the domain classifier's logits `[N]` and `[M]`; log 2 where it can't tell the domains apart."""
    logits = torch.cat([of_source, of_target])
    truth = torch.cat([torch.ones_like(of_source), torch.zeros_like(of_target)])
    return functional.binary_cross_entropy_with_logits(logits, truth)
