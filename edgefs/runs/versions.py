"""Versions of the software that figures depend on."""

from __future__ import annotations

import platform
from importlib.metadata import PackageNotFoundError, version

from edgefs_runtime.base.version import __version__


def versions() -> dict[str, str]:
    """Versions of everything that the figures depend on."""
    found = {"edgefs": __version__, "python": platform.python_version()}
    for package in (
        "torch",
        "torchvision",
        "numpy",
        "pillow",
        "onnxruntime",
        "onnx",
        "scikit-learn",
        "skl2onnx",
        "lightning-fabric",
    ):
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found
