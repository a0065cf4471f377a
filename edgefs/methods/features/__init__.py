"""Feature extraction (`--method features`): see `method`, and CARD.md beside it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from edgefs.methods.declaration import Method
from edgefs.methods.sklearn_classifiers import TRAINED_HEADS

if TYPE_CHECKING:
    from edgefs.methods.task import Adapted, Task


def _adapt(task: Task) -> Adapted:
    from edgefs.methods.features.method import adapt_features

    return adapt_features(task)


def _trials(task: Task) -> Iterator[tuple[str, Adapted]]:
    from edgefs.methods.features.trials import try_heads

    return try_heads(task)


FEATURES = Method(
    "Feature extraction",
    "The backbone stays as it is; its intermediate stages are the embedding, on which the head is computed or trained.",
    adapt=_adapt,
    trained_heads=tuple(TRAINED_HEADS),
    fits="Feature extraction fits where the line's images differ from what the network was trained on, or where "
    "there are few of them.",
    trials=_trials,
    projects=True,
)
