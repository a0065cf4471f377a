"""Rates of a line, from decisions made by hand."""

from __future__ import annotations

import dataclasses
import json
import math

import pytest

from edgefs_calibration.statistics.rates import Rate, Truth, by_part, measure_rates, percent
from edgefs_runtime.decision.decision import Decision, Verdict

GOOD = Truth("good", "ok", known=True)
SCRATCH = Truth("scratch", "defect", known=True)
OIL = Truth("oil", "defect", known=False)


def decide(verdict: Verdict, label: str | None) -> Decision:
    return Decision(
        verdict,
        label,
        label,
        None,
        1.0,
        0.9,
        0.5,
        0.0,
        "conformal",
        0.8,
        (),
        (),
        "",
        None,
        "0" * 64,
        0,
        "2026-01-01T00:00:00Z",
    )


def test_overkill_and_escapes_count_each_side_by_itself() -> None:
    rates = measure_rates(
        [
            decide("OK", "good"),
            decide("NG", "scratch"),
            decide("NG", "scratch"),
            decide("OK", "good"),
            decide("NG", None),
        ],
        [GOOD, GOOD, SCRATCH, SCRATCH, SCRATCH],
    )
    assert (rates.overkill, rates.escapes) == (Rate(1, 2), Rate(1, 3))
    assert (rates.refused, rates.caught, rates.unjudged) == (Rate(1, 5), Rate(0, 0), Rate(0, 5))


def test_recheck_is_neither_overkill_nor_escape_but_is_reported() -> None:
    rates = measure_rates([decide("RECHECK", None), decide("RECHECK", None)], [GOOD, SCRATCH])
    assert (rates.overkill, rates.escapes, rates.recheck) == (Rate(0, 1), Rate(0, 1), Rate(2, 2))


def test_images_without_a_decision_do_not_flatter_the_rates() -> None:
    rates = measure_rates(
        [decide("NO_DECISION", None), decide("NG", None), decide("NO_DECISION", None)], [GOOD, GOOD, SCRATCH]
    )
    assert (rates.overkill, rates.escapes, rates.unjudged) == (Rate(1, 1), Rate(0, 0), Rate(2, 3))
    assert rates.refused == Rate(1, 1)


def test_a_class_nobody_taught_is_caught_or_escapes() -> None:
    rates = measure_rates([decide("NG", None), decide("OK", "good"), decide("NG", "scratch")], [OIL, OIL, OIL])
    assert (rates.caught, rates.escapes, rates.refused) == (Rate(1, 3), Rate(1, 3), Rate(0, 0))


def test_different_lengths_are_refused() -> None:
    with pytest.raises(ValueError, match="zip"):
        measure_rates([decide("OK", "good")], [])


def test_rates_are_plain_json_with_none_for_what_was_not_measured() -> None:
    written = json.loads(json.dumps(measure_rates([decide("OK", "good")], [GOOD]).to_json(), allow_nan=False))
    assert list(written) == [
        "overkill",
        "escapes",
        "recheck",
        "refused",
        "caught",
        "unjudged",
        "sensitivity",
        "specificity",
    ]
    assert written["escapes"] == {"value": None, "events": 0, "trials": 0, "low": 0.0, "high": 1.0}
    assert written["overkill"]["high"] == pytest.approx(0.975)


@pytest.mark.parametrize(
    ("rate", "text"),
    [
        (Rate(3, 250), "1.2 % (3 of 250; 0.2 to 3.5 %)"),
        (Rate(0, 250), "0 % (0 of 250; 0 to 1.5 %)"),
        (Rate(250, 250), "100 % (250 of 250; 98.5 to 100 %)"),
        (Rate(0, 0), "not measured (0 of 0)"),
    ],
)
def test_a_rate_reads_as_a_sentence(rate: Rate, text: str) -> None:
    assert str(rate) == text


def test_a_rate_without_trials_has_no_value() -> None:
    assert math.isnan(Rate(0, 0).value)
    assert Rate(0, 0).interval == (0.0, 1.0)


def test_a_rate_of_more_events_than_trials_is_refused() -> None:
    with pytest.raises(ValueError, match="3 of 2"):
        Rate(3, 2)
    with pytest.raises(dataclasses.FrozenInstanceError):
        Rate(1, 2).events = 2  # type: ignore[misc]


@pytest.mark.parametrize(
    ("share", "text"),
    [
        (0, "0 %"),
        (1, "100 %"),
        (0.5, "50.0 %"),
        (0.0004, "0.04 %"),
        (0.99996, "99.996 %"),
        (1e-9, "< 0.001 %"),
        (1 - 1e-9, "> 99.999 %"),
    ],
)
def test_percent_never_rounds_to_a_certainty(share: float, text: str) -> None:
    assert percent(share) == text


def test_sensitivity_and_specificity_are_what_escapes_and_overkill_leave() -> None:
    rates = measure_rates([decide("OK", "good"), decide("NG", None), decide("OK", "good")], [GOOD, GOOD, SCRATCH])
    assert (rates.specificity.events, rates.specificity.trials) == (1, 2)
    assert (rates.sensitivity.events, rates.sensitivity.trials) == (0, 1)


def test_a_part_is_judged_as_the_worst_of_its_images() -> None:
    decisions = [decide("OK", "good"), decide("NG", "scratch"), decide("OK", "good"), decide("OK", "good")]
    truths = [GOOD, SCRATCH, SCRATCH, GOOD]
    worst, shown = by_part(decisions, truths, ["p1", "p1", "p2", ""])
    assert [decision.verdict for decision in worst] == ["NG", "OK", "OK"]
    assert [truth.disposition for truth in shown] == ["defect", "defect", "ok"]
    rates = measure_rates(worst, shown)
    assert (rates.escapes.events, rates.escapes.trials) == (1, 2)
