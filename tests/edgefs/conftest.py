"""What tests of the workstation share: a backbone small enough for tests, and a folder to learn from."""

from __future__ import annotations

from pathlib import Path

import pytest
from small_backbone import tiny
from textures import write_set

__all__ = ["textures", "tiny"]


@pytest.fixture
def textures(tmp_path: Path) -> Path:
    """A flat folder: 12 pictures of good, stripes and dots each."""
    return write_set(tmp_path / "textures", 12)
