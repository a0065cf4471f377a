"""What is minimised: cross-entropy over the support, and how far the network strays from where it came from.

    min over θ of  Σ w_y · CE(head(φ_θ(x)), y)  +  λ ‖θ − θ_s‖²

- λ is L2-SP's (Li, Grandvalet and Davoine 2018, arXiv:1802.01483), over the shared layers that learn.
- The head is `cosine` (Gidaris and Komodakis 2018, arXiv:1804.09458; Qi et al. 2018, arXiv:1712.07136): it begins as
  the classes' means, and what is taught later lives on the same scale. Or `linear`, the textbook's.
- Each class weighs the same, however many images it has.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812 - its usual name
from numpy.typing import NDArray
from torch import Tensor, nn

from edgefs.methods.finetune.cutting import Bank, CutNetwork

_SCALE = 10.0  # that cosines begin with


class CosineHead(nn.Module):
    """Scaled cosines `[n,C]` of features `[n,F]` to one direction for each class."""

    def __init__(self, means: Tensor) -> None:
        super().__init__()
        self.weight = nn.Parameter(means.clone())
        self.log_scale = nn.Parameter(torch.tensor(_SCALE).log())

    def forward(self, features: Tensor) -> Tensor:
        """Scores `[n,C]` of features `[n,F]`."""
        cosines: Tensor = F.linear(F.normalize(features, dim=1), F.normalize(self.weight, dim=1))
        return self.log_scale.exp() * cosines


class Tuned(nn.Module):
    """The part that learns, with its head.

    Args:
        cut: the backbone; its values are trained in place.
        head: maps the last stage's average `[n,F]` to scores `[n,C]`.
        bn_stats: `frozen` or `train`.
    """

    def __init__(self, cut: CutNetwork, head: nn.Module, bn_stats: str) -> None:
        super().__init__()
        self.cut, self.head = cut, head
        self._bn_stats = bn_stats
        self._feature = feature_of(cut)

    def train(self, mode: bool = True) -> Tuned:
        """Set the mode as any module does, but for the statistics that stay."""
        super().train(mode)
        for module in self.cut.modules():
            if isinstance(module, nn.modules.batchnorm._BatchNorm):
                learns = any(value.requires_grad for value in module.parameters())
                module.train(mode and learns and self._bn_stats == "train")
        return self

    def forward(self, early: Tensor, *crossing: Tensor) -> Tensor:
        """Scores `[n,C]` of what the frozen part says."""
        scores: Tensor = self.head(self.cut(early, *crossing)[:, self._feature])
        return scores


def feature_of(cut: CutNetwork) -> slice:
    """Where the last stage's average stands among the F numbers."""
    return next(span for tap, pooling, span in cut.plan.blocks if (tap, pooling) == (cut.plan.taps[-1], "avg"))


class Supervised:
    """Fine-tuning on images that a bank remembers; satisfies `edgefs.training.Objective`.

    Args:
        module: what learns.
        bank: W views of each of n images.
        views: W.
        classes: int64 `[n]`.
        learned: positions of the images that are learned from; the others only validate.
        validating: positions of the images that validate; none leaves the last epoch as the best.
        rates: factor of the rate of a parameter of the backbone.
        lr: of the head.
        l2sp: λ.
        batch: images of a step.
        seed: of the order.
    """

    def __init__(
        self,
        module: Tuned,
        bank: Bank,
        views: int,
        classes: NDArray[np.int64],
        learned: NDArray[np.int64],
        validating: NDArray[np.int64],
        rates: Callable[[str], float],
        *,
        lr: float,
        l2sp: float,
        batch: int,
        seed: int,
    ) -> None:
        self._tuned = module
        self._bank, self._views = bank, views
        self._classes = torch.from_numpy(classes)
        self._learned, self._validating = torch.from_numpy(learned), torch.from_numpy(validating)
        self._rates, self._lr, self._l2sp, self._batch, self._seed = rates, lr, l2sp, batch, seed
        counts = torch.bincount(self._classes[self._learned]).float()
        self._weights = counts.sum() / (counts.clamp_min(1) * (counts > 0).sum())
        self._shared = {name: value for name, value in module.cut.tail.named_parameters() if value.requires_grad}
        self._source = {name: value.detach().clone() for name, value in self._shared.items()}

    @property
    def module(self) -> nn.Module:
        """Stages and head."""
        return self._tuned

    @property
    def steps(self) -> int:
        """Batches of an epoch."""
        return -(-len(self._learned) // self._batch)

    def groups(self) -> list[dict[str, Any]]:
        """The head at the full rate, each stage at its own."""
        own = [{"params": [value], "lr": self._lr * self._rates(name)} for name, value in self._shared.items()]
        return [{"params": list(self._tuned.head.parameters()), "lr": self._lr}, *own]

    def batches(self, epoch: int) -> Iterator[tuple[Tensor, ...]]:
        """Each image once, in a view drawn anew: (classes, early, crossing …)."""
        generator = torch.Generator().manual_seed(self._seed * 1_000_003 + epoch)
        order = self._learned[torch.randperm(len(self._learned), generator=generator)]
        for chosen in torch.split(order, self._batch):
            views = torch.randint(self._views, (len(chosen),), generator=generator)
            yield (self._classes[chosen], *self._bank.rows(chosen * self._views + views))

    def loss(self, forward: Callable[..., Any], batch: tuple[Tensor, ...], done: float) -> Tensor:
        """Balanced cross-entropy and L2-SP."""
        classes, *values = batch
        loss = F.cross_entropy(forward(*values), classes, weight=self._weights.to(classes.device))
        if self._l2sp and self._shared:
            source = {name: value.to(classes.device) for name, value in self._source.items()}
            loss = loss + self._l2sp * sum(((v - source[n]) ** 2).sum() for n, v in self._shared.items())
        return loss

    def validate(self) -> float | None:
        """Share of the validation images that the head tells rightly, balanced over classes."""
        if not len(self._validating):
            return None
        scores = self._scores(self._validating)
        truth = self._classes[self._validating]
        right = (scores.argmax(dim=1) == truth).float()
        return float(torch.stack([right[truth == number].mean() for number in set(truth.tolist())]).mean())

    def _scores(self, positions: Tensor) -> Tensor:
        device = next(self._tuned.head.parameters()).device
        rows = [self._bank.rows(chunk * self._views) for chunk in torch.split(positions, 256)]
        return torch.cat([self._tuned(*(value.to(device) for value in values)).cpu() for values in rows])
