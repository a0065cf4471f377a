"""What can be known of a model on the target without one label of it.

- Reverse accuracy: the model's answers on the target teach a fresh network, which is asked about the source, whose
  labels are known: answers that mean something else there than here teach nothing. Reverse validation, Zhong et al.
  2010, as DANN's own hyper-parameters were chosen (Ganin et al. 2016, arXiv:1505.07818, section 5.1).
- `Spread`: how sure the answers are and how many classes they use. Sureness alone proves nothing (Musgrave et al.
  2021, arXiv:2111.15672), but answers in few classes, or embeddings in few directions, are a collapse.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from edgefs.methods.domain.network import Classified
from edgefs.methods.domain.pixels import in_batches

_BATCH = 256  # images
_ROWS = 2000  # embeddings whose directions are counted


@dataclass(frozen=True)
class Answers:
    """A model on unlabelled images.

    Attributes:
        embeddings: float32 `[N,D]`.
        probabilities: float32 `[N,C]`.
    """

    embeddings: NDArray[np.float32]
    probabilities: NDArray[np.float32]

    @property
    def classes(self) -> NDArray[np.int64]:
        """The nearest class of each, `[N]`."""
        return np.asarray(self.probabilities.argmax(axis=1), np.int64)


@dataclass(frozen=True)
class Spread:
    """How sure answers are and how widely they spread.

    Attributes:
        entropy: mean entropy of an answer, nats: 0 is sure.
        used: classes in use, as the exponential of the entropy of their shares: C when all are equally frequent.
        rank: directions the embeddings fill, as the exponential of the entropy of the covariance's eigenvalues.
    """

    entropy: float
    used: float
    rank: float

    @property
    def information(self) -> float:
        """What an answer tells of the class, nats: at most log C, where answers are sure and use all classes."""
        return float(np.log(self.used) - self.entropy)

    @classmethod
    def of(cls, answers: Answers) -> Spread:
        """Measure answers."""
        p = np.maximum(answers.probabilities.astype(np.float64), 1e-12)
        shares = np.bincount(answers.classes, minlength=p.shape[1]) / len(p)
        rows = answers.embeddings[:_ROWS].astype(np.float64)
        lengths = np.linalg.svd(rows - rows.mean(axis=0), compute_uv=False) ** 2
        return cls(float(-(p * np.log(p)).sum(axis=1).mean()), _effective(shares), _effective(lengths))


def _effective(weights: NDArray[np.float64]) -> float:
    total = weights.sum()
    if total <= 0:
        return 1.0
    shares = weights[weights > 0] / total
    return float(np.exp(-(shares * np.log(shares)).sum()))


@torch.no_grad()
def answers_of(model: Classified, pixels: Tensor, device: torch.device) -> Answers:
    """What a model says of uint8 images `[N,H,W,3]`."""
    model = model.to(device).eval()
    parts = [model(batch.to(device)) for batch in in_batches(pixels, _BATCH)]
    return Answers(
        torch.cat([embeddings for embeddings, _ in parts]).float().cpu().numpy(),
        torch.cat([logits for _, logits in parts]).float().softmax(1).cpu().numpy(),
    )
