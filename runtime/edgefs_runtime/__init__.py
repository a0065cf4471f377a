"""edgefs on the device: decide, say unknown, and learn a new class on the spot.

from edgefs_runtime import Classifier
"""

import importlib
import os
import typing

# Before anything can import onnxruntime, whose telemetry is on by default (seen in 1.32 on Linux): it keeps a device id
# and events under HOME and asks for its vendor's host. This stops it; "0" or `disable_telemetry_events()` do not.
os.environ["ORT_DISABLE_TELEMETRY"] = "1"

from edgefs_runtime.base.errors import BundleError, EdgefsError, GalleryError, ImageError, ProviderError
from edgefs_runtime.base.version import __version__

if typing.TYPE_CHECKING:
    from edgefs_runtime.bundle.bundle import Bundle
    from edgefs_runtime.classifier import Classifier
    from edgefs_runtime.decision.decision import Decision, Region
    from edgefs_runtime.images.preprocess import Preprocess
    from edgefs_runtime.teach.enrolment import Taught

__all__ = [
    "Bundle",
    "BundleError",
    "Classifier",
    "Decision",
    "EdgefsError",
    "GalleryError",
    "ImageError",
    "Preprocess",
    "ProviderError",
    "Region",
    "Taught",
    "__version__",
]

_PLACES = {
    "Bundle": "bundle.bundle",
    "Classifier": "classifier",
    "Decision": "decision.decision",
    "Preprocess": "images.preprocess",
    "Region": "decision.decision",
    "Taught": "teach.enrolment",
}


def __getattr__(name: str) -> object:
    """Load a name when it is asked for: a cold command waits for no more than it needs."""
    if name not in _PLACES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    found: object = getattr(importlib.import_module(f"{__name__}.{_PLACES[name]}"), name)
    globals()[name] = found
    return found
