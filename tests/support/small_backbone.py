"""Fixtures: a backbone small enough for tests, and a RUN of it.

A `conftest.py` of tests of the workstation imports the ones it needs.
"""

from __future__ import annotations

from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest
from textures import write_set


@pytest.fixture(autouse=True)
def tiny() -> Iterator[None]:
    """Makes `--backbone tiny` known, as a user would make their own known."""
    if find_spec("torch") is None:  # a device, whose commands are tested in edgefs/cli/
        yield
        return
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
    """A RUN of the tiny backbone."""
    from edgefs.pipelines.adapt import adapt
    from edgefs.settings.adapt import AdaptSettings

    adapt(data, tmp_path / "run", AdaptSettings(backbone="tiny", shots=5, name="parts"))
    return tmp_path / "run"
