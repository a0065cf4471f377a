"""The ways of transfer learning. A method is one file here and one line in `METHODS`.

Every method ends in an embedding network and the embeddings of the images; what follows (gallery, evaluation, report,
export) is the same for all.
"""

from __future__ import annotations

from collections.abc import Callable

from edgefs.methods.auto import adapt_auto
from edgefs.methods.domain import adapt_domain
from edgefs.methods.features import adapt_features
from edgefs.methods.finetune.method import adapt_finetune
from edgefs.methods.meta import adapt_meta
from edgefs.methods.task import Adapted, Task

METHODS: dict[str, Callable[[Task], Adapted]] = {
    "features": adapt_features,
    "finetune": adapt_finetune,
    "meta": adapt_meta,
    "auto": adapt_auto,
    "domain": adapt_domain,
}

__all__ = ["METHODS", "Adapted", "Task"]
