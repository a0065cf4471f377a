"""What the device's commands say about a trained head."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from heads import TURNED, model, with_head
from shell import edgefs

pytestmark = pytest.mark.device

Pictures = Callable[..., list[Path]]


@pytest.fixture
def turned(tmp_path: Path) -> Path:
    """A bundle whose trained head calls dots good."""
    return with_head(tmp_path / "turned.edgefs", model(TURNED))


def test_show_says_which_head_decides_and_which_will(turned: Path) -> None:
    assert "linear, trained; blend once anything is taught or forgotten" in edgefs("show", turned).stdout


def test_every_act_that_changes_who_decides_says_so(turned: Path, pictures: Pictures, tmp_path: Path) -> None:
    away, back = "from now on blend decides", "the trained head linear decides again"
    assert "linear decides" in edgefs("gallery", "classes", turned).stdout
    first = edgefs("enroll", turned, "checks", *pictures("checks", 5))
    assert away in first.stdout
    assert "blend decides" in edgefs("gallery", "classes", turned).stdout
    assert away not in edgefs("enroll", turned, "checks", *pictures("checks", 1, 300)).stdout
    edgefs("gallery", "undo", turned)
    assert back in edgefs("gallery", "undo", turned).stdout
    assert away in edgefs("gallery", "forget", turned, "stripes").stdout
    assert back in json.loads(edgefs("gallery", "undo", turned, "--json").stdout)["head_note"]
    other = tmp_path / "other.gallery"
    taught = edgefs("enroll", turned, "checks", *pictures("checks", 5), "--gallery", other, "--json")
    assert away in json.loads(taught.stdout)["head_note"]
    assert away in edgefs("gallery", "merge", turned, other).stdout


def test_a_head_that_does_not_fit_is_one_line(tmp_path: Path, pictures: Pictures) -> None:
    bad = with_head(tmp_path / "bad.edgefs", model(), onnx=b"no model")
    run = edgefs("predict", bad, *pictures("dots", 1))
    assert run.returncode == 1
    assert run.stderr.count("\n") == 1
    assert "can't load head.onnx" in run.stderr
