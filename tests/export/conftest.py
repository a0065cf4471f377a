"""A RUN of the tiny backbone, made once."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from textures import write_set


@pytest.fixture(autouse=True)
def tiny() -> Iterator[None]:
    """Makes `--backbone tiny` known."""
    pytest.importorskip("torch", reason="the workstation part is not installed")
    from tiny import tiny_backbone

    from edgefs.backbones import BACKBONES

    BACKBONES["tiny"] = tiny_backbone
    yield
    BACKBONES.pop("tiny", None)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return write_set(tmp_path / "data", 12)


@pytest.fixture
def run(data: Path, tmp_path: Path) -> Path:
    from edgefs.pipelines.adapt import adapt
    from edgefs.settings.adapt import AdaptSettings

    adapt(data, tmp_path / "run", AdaptSettings(backbone="tiny", shots=5, name="parts"))
    return tmp_path / "run"
