"""The images that a choice is made on: of very many, a part that says as much."""

from __future__ import annotations

from edgefs.data import Sample
from edgefs.data.splits.parts import draw_key
from edgefs.methods.task import Task

_LARGEST = 300  # images a choice is made on; more cost time and change nothing


def choosing_support(task: Task, *, of_some_classes: bool = False) -> tuple[Sample, ...]:
    """The support, or a seeded part of it that holds equally many of each class.

    Args:
        task: whose support.
        of_some_classes: of very many classes take some, where what is chosen does not depend on how many there are.
    """
    if len(task.split.train) <= _LARGEST:
        return task.split.train
    labels = sorted({sample.label for sample in task.split.train})
    if of_some_classes and len(labels) > _LARGEST // 2:  # what it costs grows with the cube of the classes
        labels = sorted(labels, key=lambda label: draw_key(task.seed, "choose", label))[: _LARGEST // 2]
    share = max(2, _LARGEST // len(labels))
    kept: set[str] = set()
    for label in labels:
        own = sorted({sample.digest for sample in task.split.train if sample.label == label})
        kept.update(sorted(own, key=lambda digest: draw_key(task.seed, "choose", digest))[:share])
    return tuple(sample for sample in task.split.train if sample.digest in kept)
