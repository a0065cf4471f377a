"""The domain classifier: tells from an embedding whether an image is of the source. It is dropped after training."""

from __future__ import annotations

from torch import Tensor, nn

from edgefs.methods.domain.reversal import reverse_gradient

_HIDDEN = 100  # units, as for the digits of Ganin et al. 2016


class DomainClassifier(nn.Module):
    """Embeddings `[N,D]` to a logit `[N]`: positive says source; its gradient reaches the embeddings reversed."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(dim, _HIDDEN), nn.ReLU(), nn.Linear(_HIDDEN, 1))

    def forward(self, embeddings: Tensor, strength: float) -> Tensor:
        """Logits `[N]`; `strength` is λ, which the gradient towards the embeddings is multiplied by."""
        logits: Tensor = self.layers(reverse_gradient(embeddings, strength))
        return logits[:, 0]
