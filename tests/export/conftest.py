"""What tests of the exporter share: a backbone small enough for tests, and a RUN of it."""

import pytest

pytest.importorskip("torch", reason="the workstation part is not installed")

from small_backbone import data, run, tiny

__all__ = ["data", "run", "tiny"]
