"""Learning from unlabelled images: a teacher's sure answers, and a class for everything.

- Self-ensembling for visual domain adaptation, French et al. 2018 (arXiv:1706.05208): the teacher is the running
  average of the student (Tarvainen & Valpola 2017, arXiv:1703.01780) and sees each image of the target augmented
  otherwise; only answers it is sure of count.
- FixMatch, Sohn et al. 2020 (arXiv:2001.07685): the teacher sees the image nearly as it is, its answer is taken as the
  label, the student sees it strongly changed.
- The mean prediction is kept from forgetting classes (French et al.'s class balance term, here as the divergence from
  an even share).
"""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional

SURE = 0.8  # probability from which on the teacher's answer counts


def consistency_loss(student: Tensor, teacher: Tensor) -> Tensor:
    """Cross-entropy of the student's logits `[N,C]` with the teacher's answers where its probabilities are sure."""
    sureness, answers = teacher.max(1)
    losses = functional.cross_entropy(student, answers, reduction="none")
    return (losses * (sureness > SURE)).mean()


def balance_loss(logits: Tensor) -> Tensor:
    """Kullback-Leibler divergence of the mean prediction of `[N,C]` from an even share; 0 where all classes occur."""
    mean = logits.softmax(1).mean(0)
    return (mean * (mean.clamp_min(1e-9).log() + math.log(logits.shape[1]))).sum()


def average_kept(step: int) -> float:
    """How much of itself the teacher keeps at a step: little at first, when there is nothing to average."""
    return min(0.99, 1 - 1 / (step + 1))


def ramp(done: float) -> float:
    """How much an unlabelled image counts: nothing at first, all from a fifth of the training on."""
    return min(1.0, done / 0.2)


def no_loss(like: Tensor) -> Tensor:
    """A loss of 0, on the same device."""
    return torch.zeros((), device=like.device)
