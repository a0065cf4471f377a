"""Pictures that another process renders."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from edgefs.render import render_training_image
from edgefs.render.aside import RenderedAside

PATIENCE = 60.0  # seconds


def test_they_are_what_this_process_would_render() -> None:
    with RenderedAside([5, 3], 32) as aside:
        for seed in (3, 5):
            expected = render_training_image(np.random.default_rng(seed), 32)
            np.testing.assert_array_equal(aside.take(seed, 32, PATIENCE), expected)


def test_each_is_given_once_and_only_in_the_size_that_was_asked_for() -> None:
    with RenderedAside([1, 2], 32) as aside:
        assert aside.take(1, 64, PATIENCE) is None
        assert aside.take(2, 32, PATIENCE) is not None
        assert aside.take(2, 32, PATIENCE) is None


def test_who_does_not_wait_is_not_held_up_by_what_takes_minutes() -> None:
    with RenderedAside(range(9_999), 64) as aside:
        assert aside.take(9_998, 64) is None
        assert aside.take(0, 64, PATIENCE) is not None


def test_without_a_process_there_are_no_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    for executable in ("/nowhere/python", "/bin/false"):
        monkeypatch.setattr(sys, "executable", executable)
        with RenderedAside([1], 32) as aside:
            assert aside.take(1, 32, PATIENCE) is None


def test_a_script_that_is_not_guarded_may_use_them() -> None:
    script = (
        "from edgefs.render.aside import RenderedAside\n"
        "with RenderedAside([1], 32) as aside: print(aside.take(1, 32, 60).shape)\n"
    )
    said = subprocess.run([sys.executable, "-"], input=script, capture_output=True, text=True, check=True)
    assert said.stdout == "(32, 32, 3)\n"
