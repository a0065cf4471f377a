"""edgefs on the device: decide, say unknown, and learn a new class on the spot.

from edgefs_runtime import Classifier
"""

import os

# Before anything can import onnxruntime, whose telemetry is on by default (seen in 1.32 on Linux): it keeps a device id
# and events under HOME and asks for its vendor's host. This stops it; "0" or `disable_telemetry_events()` do not.
os.environ["ORT_DISABLE_TELEMETRY"] = "1"

from edgefs_runtime.base.errors import BundleError, EdgefsError, GalleryError, ImageError, ProviderError
from edgefs_runtime.base.version import __version__
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
