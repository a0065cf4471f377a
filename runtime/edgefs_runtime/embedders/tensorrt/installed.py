"""Whether TensorRT and cuda-python are installed and can be loaded."""

from __future__ import annotations

import importlib
from types import ModuleType

from edgefs_runtime.base.errors import MissingExtraError, ProviderError
from edgefs_runtime.base.version import version_key
from edgefs_runtime.base.wording import first_line

OLDEST = "10.3"  # JetPack 6
_HINT = (
    'pip install "edgefs[tensorrt]" (on a Jetson TensorRT comes with JetPack: make the environment with '
    "--system-site-packages)"
)


def require_tensorrt() -> str:
    """The version of TensorRT.

    Raises:
        MissingExtraError: TensorRT or cuda-python is not installed.
        ProviderError: one of them can't be loaded, or TensorRT is too old.
    """
    version = str(_load("tensorrt", "TensorRT").__version__)
    _load("cuda.bindings.runtime", "cuda-python")
    if version_key(version) < version_key(OLDEST):
        raise ProviderError(f"TensorRT {version} is too old, {OLDEST} or newer is needed")
    return version


def _load(module: str, name: str) -> ModuleType:
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        raise MissingExtraError(f"{name} is not installed: {_HINT}") from error
    except Exception as error:  # a shared library that is missing or broken comes as ImportError, OSError, RuntimeError
        raise ProviderError(f"{name} can't be loaded: {first_line(error)}") from error
