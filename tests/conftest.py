"""What all tests share: a state and a cache folder of their own, the golden bundle, and where the real images lie."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from places import GOLDEN, SHARED
from textures import save

import edgefs  # noqa: F401 - before a test imports onnxruntime: it keeps that from talking to its vendor


@pytest.fixture(scope="session")
def session_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One cache for all tests and workers: embedding the rendered pictures takes longer than all else of an `adapt`."""
    base = tmp_path_factory.getbasetemp()
    return (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "cache"


@pytest.fixture(autouse=True)
def own_folders(tmp_path_factory: pytest.TempPathFactory, session_cache: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """No test reads or writes what a user has taught or cached."""
    folder = tmp_path_factory.mktemp("own")
    monkeypatch.setenv("EDGEFS_STATE", str(folder / "state"))
    monkeypatch.setenv("EDGEFS_CACHE", str(session_cache))
    return folder


@pytest.fixture
def own_cache(own_folders: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache, for a test that looks into it."""
    monkeypatch.setenv("EDGEFS_CACHE", str(own_folders / "cache"))
    return own_folders / "cache"


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    """A copy of the golden bundle, which knows good, stripes and dots."""
    return Path(shutil.copy(GOLDEN, tmp_path / "textures.edgefs"))


@pytest.fixture
def pictures(tmp_path: Path) -> Callable[..., list[Path]]:
    """`pictures("checks", 5)`: files of one kind, none of which the golden bundle has seen."""

    def write(kind: str, count: int, first: int = 100) -> list[Path]:
        return [save(tmp_path / "pictures", kind, number) for number in range(first, first + count)]

    return write


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of real images and weights; tests that need it are skipped where it is absent."""
    if not (SHARED / "data").is_dir():
        pytest.skip(f"the real images are not here ({SHARED.name}/data)")
    return SHARED
