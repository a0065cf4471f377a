"""What a correction for trained rows does to decisions."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from edgefs_runtime.base.errors import BundleError
from edgefs_runtime.decision.correction import Correction
from edgefs_runtime.decision.judge import Judge
from edgefs_runtime.decision.settings import DecisionSettings
from edgefs_runtime.decision.snapshot import Enrolment, Snapshot, build_snapshot

pytestmark = pytest.mark.device

DIM = 8
CROSSFIT = Correction(("a", "b"), 40.0, 4.0, 2.5)


def drawn(label: str, count: int, seed: int) -> np.ndarray:
    centre = 6.0 * np.eye(DIM)["abc".index(label)]
    return (centre + np.random.default_rng([seed, ord(label)]).standard_normal((count, DIM))).astype(np.float32)


def gallery(labels: str) -> Snapshot:
    return build_snapshot(
        [Enrolment(one, "defect", drawn(one, 30, 0), tuple(f"{one}{n}" for n in range(30))) for one in labels], 0
    )


def judges(labels: str, **settings: float) -> tuple[Judge, Judge]:
    plain = DecisionSettings(**settings)
    return Judge(gallery(labels), plain), Judge(gallery(labels), dataclasses.replace(plain, correction=CROSSFIT))


def refused(judge: Judge, label: str) -> float:
    return float(np.mean([decision.label is None for decision in judge.decide(1.5 * drawn(label, 300, 9))]))


def test_parts_of_classes_that_were_trained_on_are_refused_less() -> None:
    plain, corrected = judges("ab")
    assert refused(corrected, "a") < refused(plain, "a") - 0.1
    assert corrected.temperature == pytest.approx(2.5 * plain.temperature)


def test_a_gallery_of_classes_taught_later_is_left_alone() -> None:
    plain, corrected = judges("c")
    assert corrected.temperature == plain.temperature
    asked = drawn("c", 50, 9)
    expected = [decision.p_value for decision in plain.decide(asked)]
    assert [decision.p_value for decision in corrected.decide(asked)] == expected


def test_rows_of_a_class_taught_later_stay_beside_corrected_ones() -> None:
    """The centre of `c` is pulled a little towards that of all rows, as every one is; those of a and b move by far."""
    plain, corrected = judges("abc")
    moved = {
        label: float(np.median(plain.strangeness(drawn(label, 99, 3)) - corrected.strangeness(drawn(label, 99, 3))))
        for label in "abc"
    }
    assert min(moved["a"], moved["b"]) > 4 * moved["c"] > 0


def test_the_budget_for_overkill_sees_the_correction_too() -> None:
    good = dataclasses.replace(gallery("ab"), dispositions=("ok", "defect"))
    shares = [
        refused(Judge(good, DecisionSettings(overkill=0.05, correction=correction)), "a")
        for correction in (None, CROSSFIT)
    ]
    assert shares[1] < shares[0] - 0.1


def test_a_correction_survives_a_manifest() -> None:
    settings = DecisionSettings(correction=CROSSFIT)
    fields = settings.to_json()
    assert fields["crossfit"] == {"labels": ["a", "b"], "shift": 40.0, "scale": 4.0, "temperature": 2.5}
    assert DecisionSettings.from_json(settings.head, fields) == settings
    assert "crossfit" not in DecisionSettings().to_json()


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("labels", []),
        ("labels", "ab"),
        ("labels", [1]),
        ("shift", float("nan")),
        ("scale", 0.0),
        ("scale", -1.0),
        ("temperature", float("inf")),
    ],
)
def test_a_correction_out_of_range_is_refused(field: str, value: object) -> None:
    with pytest.raises(BundleError, match=f"crossfit.{field}"):
        Correction.from_json({**CROSSFIT.to_json(), field: value})
