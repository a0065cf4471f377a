"""The bundle that a device ran before."""

from __future__ import annotations

from pathlib import Path

import pytest
from bundles import ONE, remade


@pytest.fixture
def first(bundle: Path, tmp_path: Path) -> Path:
    return remade(bundle, tmp_path / "first.edgefs", identity=ONE)
