"""The ways of transfer learning. A method is one file or folder here, and one line in `METHODS`.

Every method ends in an embedding network and the embeddings of the images; what follows (gallery, evaluation, report,
export) is the same for all. What a method says of itself is a `Method`; none of them loads torch before it adapts.
"""

from __future__ import annotations

from typing import Any

from edgefs.methods.auto import AUTO
from edgefs.methods.declaration import Method
from edgefs.methods.domain import DOMAIN
from edgefs.methods.features import FEATURES
from edgefs.methods.finetune import FINETUNE
from edgefs.methods.meta import META

METHODS: dict[str, Method] = {
    "features": FEATURES,
    "finetune": FINETUNE,
    "meta": META,
    "domain": DOMAIN,
    "auto": AUTO,
}

__all__ = ["METHODS", "Method", "settings_by_method"]


def settings_by_method() -> dict[str, type[Any]]:
    """The class of the settings of each method that has some of its own."""
    return {name: method.settings for name, method in METHODS.items() if method.settings is not None}
