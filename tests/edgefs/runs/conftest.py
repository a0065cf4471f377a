"""What tests of RUN folders share: a RUN."""

from small_backbone import data, run

__all__ = ["data", "run"]
