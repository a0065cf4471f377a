"""Names that options choose among are those of what does the work."""

from __future__ import annotations

import pytest

pytest.importorskip("torch", reason="the workstation part is not installed")

from edgefs.backbones.students import STUDENTS
from edgefs.settings import choices
from edgefs_calibration.int8.ranges import RANGE_ESTIMATORS


def test_every_name_has_something_behind_it_and_nothing_is_left_out() -> None:
    assert tuple(STUDENTS) == choices.STUDENTS
    assert tuple(RANGE_ESTIMATORS) == choices.RANGE_ESTIMATORS
