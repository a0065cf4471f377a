"""Where embeddings are cached."""

import sys
from pathlib import Path

import pytest

from edgefs.embedding.cache import cache_folder, cache_path


@pytest.mark.skipif(sys.platform != "linux", reason="the folders of a Linux system")
@pytest.mark.parametrize(("chosen", "below"), [("xdg", "edgefs"), (None, ".cache/edgefs")])
def test_a_cache_lies_where_it_always_did(
    chosen: str | None, below: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = tmp_path / (chosen or "home")
    monkeypatch.delenv("EDGEFS_CACHE")
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    if chosen:
        monkeypatch.setenv("XDG_CACHE_HOME", str(home))
    assert cache_folder() == home / below


def test_a_user_chooses_the_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EDGEFS_CACHE", str(tmp_path / "mine"))
    assert cache_path("weights").is_relative_to(tmp_path / "mine")
