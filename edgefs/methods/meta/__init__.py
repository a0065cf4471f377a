"""Meta-learning over many tasks (`--method meta`): see `edgefs.methods.meta.adapt`."""

from edgefs.methods.meta.adapt import adapt_meta

__all__ = ["adapt_meta"]
