"""Domain adaptation: DANN and what makes it work without labels, the cheap kinds, and the guard over all of them."""

from edgefs.methods.domain.method import adapt_domain

__all__ = ["adapt_domain"]
