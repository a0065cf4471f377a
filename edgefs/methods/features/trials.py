"""What `auto` tries of feature extraction: every head, on an embedding that is made once."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

from edgefs.methods.cross_validation import can_be_compared
from edgefs.methods.features.method import adapt_features
from edgefs.methods.sklearn_classifiers import TRAINED_HEADS
from edgefs.methods.sklearn_heads import train_head
from edgefs.methods.task import Adapted, Task
from edgefs_runtime.decision.heads import HEADS

_FIRST = "blend"


def try_heads(task: Task) -> Iterator[tuple[str, Adapted]]:
    """The default head first, which costs seconds and is hard to beat from few images."""
    base = dataclasses.replace(task, settings=dataclasses.replace(task.settings, method="features", head=_FIRST))
    first = adapt_features(base)
    yield f"features + {_FIRST}", first
    if len(task.dispositions) < 2:
        return
    for head in HEADS:
        if head != _FIRST:
            yield f"features + {head}", dataclasses.replace(first, decision=task.deciding(head={"kind": head}))
    for head in TRAINED_HEADS if can_be_compared(task) else ():
        trained = train_head(head, base, first.embedded)
        notes = (*first.notes, trained.sentence)
        yield (
            f"features + {head}",
            dataclasses.replace(first, head=trained.model, refit_head=trained.refit, notes=notes),
        )
