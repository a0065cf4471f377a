"""The choice among methods (`--method auto`): see `method`, and CARD.md beside it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edgefs.methods.declaration import Method

if TYPE_CHECKING:
    from edgefs.methods.task import Adapted, Task


def _adapt(task: Task) -> Adapted:
    from edgefs.methods.auto.method import adapt_auto

    return adapt_auto(task)


AUTO = Method(
    "The choice among methods",
    "Feature extraction with each head, and fine-tuning, are cross-validated on the images learned from, and the best "
    "is taken.",
    adapt=_adapt,
    gallery_heads=False,
    chooses=True,
    projects=True,
)
