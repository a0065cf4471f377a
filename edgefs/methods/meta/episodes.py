"""Draws episodes, the small tasks that meta-learning trains on (Vinyals et al. 2016, arXiv:1606.04080).

An episode is N classes with K images each. Which ones depends on the seed and the episode's number alone.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from edgefs.data.splits.parts import draw_key
from edgefs.methods.meta.tasks import TaskClass
from edgefs_runtime.base.errors import DataError
from edgefs_runtime.base.wording import counted

_HELD_OUT = 0.1  # share of tasks, or of classes where there are few tasks, that validates
_LEAST_TASKS = 5  # with fewer, holding one out whole would cost too much


def hold_out(classes: Sequence[TaskClass], seed: int) -> tuple[list[TaskClass], list[TaskClass], str]:
    """Classes to learn from, classes to validate on, and a sentence that says which these are.

    Whole tasks are held out where there are enough of them: another task is what the network is for.

    Raises:
        DataError: there are too few classes for both.
    """
    tasks = sorted({one.task for one in classes}, key=lambda task: draw_key(seed, "task", task))
    if len(tasks) >= _LEAST_TASKS:
        apart = set(tasks[: max(1, round(_HELD_OUT * len(tasks)))])
        held = [one for one in classes if one.task in apart]
        if len(held) >= 2:
            kept = [one for one in classes if one.task not in apart]
            return kept, held, f"Validated on {len(apart)} of the {len(tasks)} tasks, {len(held)} classes."
    if len(classes) < 4:
        found = counted(len(classes), "class", "classes")
        raise DataError(f"the tasks hold {found}; meta-learning takes at least 4: 2 to learn, 2 to test")
    ordered = sorted(classes, key=lambda one: draw_key(seed, "class", one.task, one.label))
    count = max(2, round(_HELD_OUT * len(classes)))
    names = {(one.task, one.label) for one in ordered[:count]}
    held = [one for one in classes if (one.task, one.label) in names]
    kept = [one for one in classes if (one.task, one.label) not in names]
    return kept, held, f"Validated on {count} of the {len(classes)} classes."


@dataclass(frozen=True)
class EpisodeSampler:
    """A source of episodes.

    Attributes:
        classes: what they are drawn from.
        ways: N, classes of an episode.
        images: K, images of each.
        within: draw the classes of an episode from one task, as they would stand beside each other on a line.
        rotations: turn each class of an episode by a quarter as often as chance says: a turned class is another class,
            as Snell et al. 2017 have it of characters. No two classes of an episode are one class turned.
        mirrors: mirror it as often as not, likewise.
        seed: picks everything.
    """

    classes: Sequence[TaskClass]
    ways: int
    images: int
    within: bool
    rotations: bool
    mirrors: bool
    seed: int

    def draw(self, number: int) -> Tensor:
        """Episode `number`, uint8 `[N,K,H,W,3]`."""
        rng = np.random.default_rng((self.seed, number))
        return torch.from_numpy(np.stack([self._images(rng, one) for one in self._classes(rng)]))

    def _classes(self, rng: np.random.Generator) -> list[TaskClass]:
        if not self.within:
            return [self.classes[i] for i in rng.permutation(len(self.classes))[: self.ways]]
        tasks = self._by_task()
        own = tasks[int(rng.integers(len(tasks)))]
        return [own[i] for i in rng.permutation(len(own))[: self.ways]]

    def _by_task(self) -> list[list[TaskClass]]:
        tasks = defaultdict(list)
        for one in self.classes:
            tasks[one.task].append(one)
        return [own for own in tasks.values() if len(own) >= self.ways]

    def _images(self, rng: np.random.Generator, one: TaskClass) -> NDArray[np.uint8]:
        chosen = one.pixels[rng.permutation(len(one.pixels))[: self.images]]
        turns = int(rng.integers(4)) if self.rotations else 0
        seen = chosen[:, :, ::-1] if self.mirrors and rng.integers(2) else chosen
        return np.ascontiguousarray(np.rot90(seen, turns, axes=(1, 2)))
