"""A backbone small enough for tests, and a RUN that many of them look at."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest
from textures import write_set


@pytest.fixture(autouse=True)
def tiny() -> Iterator[None]:
    """Makes `--backbone tiny` known, as a user would make their own known."""
    if find_spec("torch") is None:  # a device, whose commands are tested in cli/
        yield
        return
    from tiny import tiny_backbone

    from edgefs.backbones import BACKBONES

    BACKBONES["tiny"] = tiny_backbone
    yield
    BACKBONES.pop("tiny", None)


@pytest.fixture
def textures(tmp_path: Path) -> Path:
    """A flat folder: 12 pictures of good, stripes and dots each."""
    return write_set(tmp_path / "textures", 12)
