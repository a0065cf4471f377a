"""ANIL (almost no inner loop) learns an embedding in which a few gradient steps on a linear head suffice."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn


class Anil(nn.Module):
    """The inner loop of MAML on the head alone (Raghu et al. 2020, arXiv:1909.09157), differentiated through.

    The head starts from nothing in every episode. That is the same as starting from one learned vector for all classes
    (Ye & Chao 2022, arXiv:2106.16245), which a softmax does not see, and knows no order of the classes. The inner
    rate is learned, as is the scale of the logits (Li et al. 2017, arXiv:1707.09835).

    Args:
        shots: images of each class that the inner loop sees.
        steps: of the inner loop.
    """

    def __init__(self, shots: int, steps: int) -> None:
        super().__init__()
        self.shots, self.steps = shots, steps
        self.log_scale = nn.Parameter(torch.tensor(math.log(10.0)))
        self.log_rate = nn.Parameter(torch.tensor(0.0))

    def forward(self, rows: Tensor) -> Tensor:
        """Mean loss of the queries of unit rows `[T,N,K,D]`, the first `shots` of each class being the support."""
        support, queries = rows[:, :, : self.shots].flatten(1, 2), rows[:, :, self.shots :].flatten(1, 2)
        ways = rows.shape[1]
        logits = self.logits(support, ways, queries)  # [T,N·Q,N]
        return F.cross_entropy(logits.flatten(0, 1), _truth(queries, ways).flatten())

    def logits(self, support: Tensor, ways: int, queries: Tensor) -> Tensor:
        """Logits `[T,m,N]` of queries `[T,m,D]` after the inner loop on the support `[T,N·S,D]`, class by class."""
        scale = self.log_scale.exp()
        wanted = F.one_hot(_truth(support, ways), ways).to(support.dtype)  # [T,N·S,N]
        head = support.new_zeros(len(support), support.shape[2], ways)  # [T,D,N]
        for _ in range(self.steps):
            # The gradient of the mean cross-entropy with respect to the head, in closed form.
            slope = scale * (scale * support @ head).softmax(-1).sub(wanted) / support.shape[1]
            head = head - self.log_rate.exp() * support.transpose(1, 2) @ slope
        return scale * queries @ head

    @property
    def learned(self) -> str:
        """What was learned beside the network, in words."""
        scale, rate = (math.exp(float(value.detach())) for value in (self.log_scale, self.log_rate))
        return f"temperature {1 / scale:.4f}, inner rate {rate:.4f}"


def _truth(rows: Tensor, ways: int) -> Tensor:
    """Classes `[T,m]` of rows `[T,m,D]` that stand class by class."""
    episodes, count, _ = rows.shape
    truth: Tensor = torch.arange(ways, device=rows.device).repeat_interleave(count // ways).expand(episodes, -1)
    return truth
