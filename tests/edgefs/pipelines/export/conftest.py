"""What tests of `edgefs export` share: a RUN."""

from small_backbone import data, run

__all__ = ["data", "run"]
