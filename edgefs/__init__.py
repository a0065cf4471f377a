"""edgefs on the workstation: adapt a pretrained network to a line's images; and the `edgefs` command."""

import os

# Before anything can import onnxruntime, which else writes under HOME and looks for its vendor's host. `edgefs_runtime`
# says the same; it isn't loaded here because `edgefs --help` has no time for it.
os.environ["ORT_DISABLE_TELEMETRY"] = "1"

__all__ = ["__version__"]


def __getattr__(name: str) -> str:
    """`edgefs.__version__`, when it is asked for."""
    if name == "__version__":
        from edgefs_runtime.base.version import __version__

        return __version__
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
