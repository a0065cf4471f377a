"""What a choice is made by: images of the support, of very many a part, and what each adds when it is left out."""

from __future__ import annotations

from collections import defaultdict

import numpy as np
from numpy.typing import NDArray

from edgefs.data import Sample
from edgefs.data.splits.parts import draw_key
from edgefs.evaluation.paired import balanced_shares
from edgefs.methods.task import Task
from edgefs_runtime.decision.heads import fit_head
from edgefs_runtime.decision.snapshot import Snapshot

_LARGEST = 300  # images a choice is made on; more cost time and change nothing


def choosing_support(task: Task, *, of_some_classes: bool = False) -> tuple[Sample, ...]:
    """The support, or a seeded part of it that holds equally many of each class.

    Args:
        task: whose support.
        of_some_classes: of very many classes take some, where what is chosen does not depend on how many there are.
    """
    if len(task.split.train) <= _LARGEST:
        return task.split.train
    images: dict[str, set[str]] = defaultdict(set)
    for sample in task.split.train:
        images[sample.label].add(sample.digest)
    labels = sorted(images)
    if of_some_classes and len(labels) > _LARGEST // 2:  # what it costs grows with the cube of the classes
        labels = sorted(labels, key=lambda label: draw_key(task.seed, "choose", label))[: _LARGEST // 2]
    share = max(2, _LARGEST // len(labels))
    kept: set[str] = set()
    for label in labels:
        kept.update(sorted(images[label], key=lambda digest: draw_key(task.seed, "choose", digest))[:share])
    return tuple(sample for sample in task.split.train if sample.digest in kept)


def left_out_shares(snapshot: Snapshot) -> NDArray[np.float64]:
    """What each image adds to the balanced accuracy of `lda` when it is left out, `[n]` of those that can be judged."""
    left_out = fit_head({"kind": "lda"}, snapshot).left_out()
    scores, classes = left_out.scores, left_out.of(snapshot.classes)
    judged = np.isfinite(scores[np.arange(len(scores)), classes])  # a class with a single part can't be left out
    return balanced_shares((scores.argmax(axis=1) == classes)[judged], classes[judged])
