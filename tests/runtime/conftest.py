"""What tests of the runtime share."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest


@pytest.fixture
def gallery(tmp_path: Path) -> Path:
    return tmp_path / "line.gallery"


@pytest.fixture
def unknown_part(pictures: Callable[..., list[Path]]) -> Path:
    """A part of a class that nobody taught: NG, until something like it is taught as good."""
    return pictures("checks", 1, first=300)[0]
