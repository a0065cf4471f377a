"""What a wheel says of where the project lives."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path
from types import ModuleType

import pytest

pytest.importorskip("hatchling", reason="it builds the wheel")

ROOT = Path(__file__).parents[1]
RELATIVE = re.compile(r"\]\((?!https?://|#)")


@pytest.fixture(scope="module")
def hook() -> ModuleType:
    spec = importlib.util.spec_from_file_location("hatch_build", ROOT / "hatch_build.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def metadata(hook: ModuleType) -> dict[str, object]:
    fields: dict[str, object] = {}
    hook.CustomMetadataHook(str(ROOT), {}).update(fields)
    return fields


def test_with_an_address_links_are_absolute(hook: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EDGEFS_URL", "https://source.invalid/edgefs/")
    fields = metadata(hook)
    text = str(fields["readme"])
    assert RELATIVE.search(text) is None
    assert "[docs/tried.md](https://source.invalid/edgefs/docs/tried.md)" in text
    assert dict(fields["urls"])["Changelog"] == "https://source.invalid/edgefs/CHANGELOG.md"  # type: ignore[call-overload]


def test_without_one_no_link_leads_nowhere(hook: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("EDGEFS_URL", raising=False)
    fields = metadata(hook)
    assert "urls" not in fields
    assert RELATIVE.search(str(fields["readme"])) is None
    assert "docs/tried.md" in str(fields["readme"])
