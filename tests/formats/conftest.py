"""The golden files, and copies of them: a golden file itself is never opened for writing."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from parts import GOLDEN

Copy = Callable[[str], Path]


@pytest.fixture
def copy(tmp_path: Path) -> Copy:
    """`copy("line.gallery")`: a copy of a golden file or folder."""

    def copied(name: str) -> Path:
        source, out = GOLDEN / name, tmp_path / Path(name).name
        return Path(shutil.copytree(source, out) if source.is_dir() else shutil.copy(source, out))

    return copied


@pytest.fixture(scope="session")
def expected() -> Callable[[str], Any]:
    """`expected("line")`: what was seen of a golden file when it was made."""

    def read(name: str) -> Any:
        return json.loads((GOLDEN / "expected" / f"{name}.json").read_text(encoding="utf-8"))

    return read


@pytest.fixture
def tiny() -> Iterator[None]:
    """Makes the golden RUNs' backbone known."""
    if find_spec("torch") is None:
        pytest.skip("the workstation part is not installed")
    from tiny import tiny_backbone

    from edgefs.backbones import BACKBONES

    BACKBONES["tiny"] = tiny_backbone
    yield
    BACKBONES.pop("tiny", None)
