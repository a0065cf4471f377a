"""The bundle: one immutable file that holds a model and everything that belongs to it."""

from edgefs_runtime.bundle.bundle import Bundle, is_bundle

__all__ = ["Bundle", "is_bundle"]
