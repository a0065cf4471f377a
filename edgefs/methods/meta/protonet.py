"""Prototypical networks: learn an embedding in which the nearest class mean is right."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn


class ProtoNet(nn.Module):
    """Cross-entropy of queries against class means (Snell, Swersky, Zemel 2017, arXiv:1703.05175).

    Two things differ from the paper. The distance is the cosine with a learned temperature (Chen et al. 2021,
    arXiv:2003.04390), since that is how the device's `prototype` head decides. And every image of an episode takes its
    turn in the support, so one pass through the network serves as many episodes as a class has images.

    Args:
        shots: images of each class that make its mean.
    """

    def __init__(self, shots: int) -> None:
        super().__init__()
        self.shots = shots
        self.log_scale = nn.Parameter(torch.tensor(math.log(10.0)))

    def forward(self, rows: Tensor) -> Tensor:
        """Mean loss of unit rows `[T,N,K,D]`: T episodes of N classes with K images each."""
        turns = rows.shape[2]
        return torch.stack([self._turn(rows.roll(turn, dims=2)) for turn in range(turns)]).mean()

    def _turn(self, rows: Tensor) -> Tensor:
        prototypes = F.normalize(rows[:, :, : self.shots].mean(2), dim=-1)  # [T,N,D]
        queries = rows[:, :, self.shots :].flatten(1, 2)  # [T,N·Q,D]
        logits = self.log_scale.exp() * queries @ prototypes.transpose(1, 2)  # [T,N·Q,N]
        episodes, ways, images, _ = rows.shape
        truth = torch.arange(ways, device=rows.device).repeat_interleave(images - self.shots).repeat(episodes)
        return F.cross_entropy(logits.flatten(0, 1), truth)

    @property
    def temperature(self) -> float:
        """What divides the cosines before a softmax makes probabilities of them."""
        return math.exp(-float(self.log_scale.detach()))

    @property
    def learned(self) -> str:
        """What was learned beside the network, in words."""
        return f"temperature {self.temperature:.4f}"
