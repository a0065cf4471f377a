"""How the images of a gallery are embedded where they come from another domain than those that will be asked about.

A source's images are taken by the source's batch statistics, and their embeddings are moved to where the target's lie.
What is enrolled on the device is of the target and goes through the embedding network alone.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from edgefs.embedding.network import EmbeddingNetwork, EmbeddingPlan


class GalleryNetwork(nn.Module):
    """An embedding network, `x @ matrix + shift` behind it, and unit length again.

    Args:
        network: of the gallery's domain.
        matrix: `[D,D]`; None leaves the embeddings as they are.
        shift: `[D]`.
    """

    def __init__(
        self,
        network: EmbeddingNetwork,
        matrix: NDArray[np.float64] | None = None,
        shift: NDArray[np.float64] | None = None,
    ) -> None:
        super().__init__()
        dim = network.plan.dim
        self.network = network
        self.register_buffer("matrix", torch.from_numpy(np.eye(dim) if matrix is None else matrix).float())
        self.register_buffer("shift", torch.from_numpy(np.zeros(dim) if shift is None else shift).float())
        self.eval()

    @property
    def plan(self) -> EmbeddingPlan:
        """Plan of the embedding network."""
        return self.network.plan

    def forward(self, images: Tensor) -> Tensor:
        """Embed uint8 `[N,H,W,3]` to float32 `[N,D]`."""
        moved = torch.addmm(self.shift, self.network(images), self.matrix)  # type: ignore[arg-type]
        unit: Tensor = moved / moved.norm(dim=1, keepdim=True).clamp_min(1e-12)
        return unit
