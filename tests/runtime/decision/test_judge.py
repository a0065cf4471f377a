"""The operating point: a budget for overkill, and what an escape costs."""

from __future__ import annotations

import numpy as np
import pytest

from edgefs_runtime.base.errors import BundleError, GalleryError
from edgefs_runtime.decision.judge import Judge
from edgefs_runtime.decision.settings import DecisionSettings
from edgefs_runtime.decision.snapshot import Enrolment, Snapshot, build_snapshot

pytestmark = pytest.mark.device

DIM = 10


def rows(label: str, count: int, seed: int, apart: float) -> np.ndarray:
    """`good` about one place, `scratch` `apart` deviations beside it, `oil` far from both."""
    centre = np.zeros(DIM)
    centre[:3] = {"good": (8, 0, 0), "scratch": (8, apart, 0), "oil": (8, 0, 30)}[label]
    return (centre + np.random.default_rng([seed, len(label)]).standard_normal((count, DIM))).astype(np.float32)


def gallery(counts: dict[str, int], apart: float = 3.0) -> Snapshot:
    return build_snapshot(
        [
            Enrolment(
                label,
                "ok" if label == "good" else "defect",
                rows(label, count, 0, apart),
                tuple(f"{label}{row}" for row in range(count)),
            )
            for label, count in counts.items()
        ],
        0,
    )


def verdicts(judge: Judge, label: str, apart: float = 3.0) -> np.ndarray:
    return np.array([decision.verdict for decision in judge.decide(rows(label, 2000, 9, apart))])


@pytest.mark.parametrize("overkill", [0.02, 0.1])
def test_good_parts_are_judged_ng_about_as_often_as_the_budget_says(overkill: float) -> None:
    snapshot = gallery({"good": 300, "scratch": 60}, apart=8)
    judge = Judge(snapshot, DecisionSettings(budget=0.5, overkill=overkill))
    assert judge.overkill_left == pytest.approx(overkill)
    share = float((verdicts(judge, "good", 8) == "NG").mean())
    assert 0.4 * overkill < share < 1.6 * overkill
    without = Judge(snapshot, DecisionSettings(budget=0.5))
    assert float((verdicts(without, "good", 8) == "NG").mean()) > 0.3


def test_what_classes_cost_is_taken_off_the_budget() -> None:
    snapshot = gallery({"good": 300, "scratch": 300}, apart=3)
    judge = Judge(snapshot, DecisionSettings(overkill=0.12))
    assert judge.overkill_left is not None
    assert 0.01 < judge.overkill_left < 0.11
    assert 0.05 < float((verdicts(judge, "good") == "NG").mean()) < 0.19


def test_a_budget_that_classes_exceed_refuses_nothing_near_good_parts() -> None:
    judge = Judge(gallery({"good": 200, "scratch": 200}, apart=1.5), DecisionSettings(overkill=0.01))
    assert judge.overkill_left is not None
    assert judge.overkill_left < 0
    decisions = judge.decide(rows("good", 300, 9, 1.5))
    assert all(decision.label is not None for decision in decisions if decision.nearest == "good")


def test_few_good_parts_say_by_which_rule_they_are_refused() -> None:
    judge = Judge(gallery({"good": 12, "scratch": 12}, apart=8), DecisionSettings(overkill=0.01))
    rules = {
        decision.nearest: decision.p_rule
        for decision in judge.decide(np.concatenate([rows("good", 5, 9, 8), rows("scratch", 5, 9, 8)]))
    }
    assert rules == {"good": "student-t", "scratch": "conformal"}


def test_the_dearer_an_escape_the_fewer_defects_pass() -> None:
    snapshot = gallery({"good": 200, "scratch": 200}, apart=2.5)
    escapes, overkill = [], []
    for cost in (0.1, 1.0, 20.0):
        judge = Judge(snapshot, DecisionSettings(budget=0, escape_cost=cost))
        escapes.append(float((verdicts(judge, "scratch", 2.5) == "OK").mean()))
        overkill.append(float((verdicts(judge, "good", 2.5) == "NG").mean()))
    assert escapes[0] > 1.5 * escapes[1] > 1.5 * 1.5 * escapes[2]
    assert overkill[0] < overkill[1] < overkill[2]


def test_a_verdict_against_the_nearest_class_gives_its_reason() -> None:
    snapshot = gallery({"good": 200, "scratch": 200}, apart=2.5)
    decisions = Judge(snapshot, DecisionSettings(budget=0, escape_cost=50)).decide(rows("good", 400, 9, 2.5))
    turned = [decision for decision in decisions if decision.nearest == "good" and decision.verdict == "NG"]
    assert turned
    assert all("an escape costs 50 overkills" in decision.reason for decision in turned)
    assert all(decision.label == "good" for decision in turned)
    assert all(not decision.reason for decision in decisions if decision.verdict == "OK")


@pytest.mark.parametrize(
    "settings", [{"overkill": 0.0}, {"overkill": 1.0}, {"escape_cost": 0.0}, {"escape_cost": float("inf")}]
)
def test_settings_out_of_range_are_refused(settings: dict[str, float]) -> None:
    with pytest.raises(BundleError, match=next(iter(settings))):
        DecisionSettings(**settings)


def test_settings_survive_a_manifest_and_older_ones_are_read() -> None:
    settings = DecisionSettings({"kind": "lda"}, 0.1, "RECHECK", 0.02, 5.0)
    assert DecisionSettings.from_json(settings.head, settings.to_json()) == settings
    assert DecisionSettings.from_json({"kind": "blend"}, {"budget": 0.05, "unknown": "NG"}) == DecisionSettings()


def test_five_kinds_of_defect_do_not_outvote_the_good_parts() -> None:
    """Everything lies in one place: at equal costs a good part is no likelier to be judged NG than OK."""
    rng = np.random.default_rng(3)
    labels = ("good", "a", "b", "c", "d", "e")
    snapshot = build_snapshot(
        [
            Enrolment(
                label,
                "ok" if label == "good" else "defect",
                rng.standard_normal((40, DIM)).astype(np.float32),
                tuple(f"{label}{row}" for row in range(40)),
            )
            for label in labels
        ],
        0,
    )
    judge = Judge(snapshot, DecisionSettings(budget=0, escape_cost=1.0))
    asked = rng.standard_normal((2000, DIM)).astype(np.float32)
    share = np.mean([decision.verdict == "NG" for decision in judge.decide(asked)])
    assert 0.2 < share < 0.8


def test_a_gallery_without_good_parts_judges_nothing_ok_whatever_an_escape_costs() -> None:
    snapshot = gallery({"scratch": 20, "oil": 20})
    decisions = Judge(snapshot, DecisionSettings(budget=0, escape_cost=0.01)).decide(rows("oil", 20, 9, 3.0))
    assert {decision.verdict for decision in decisions} == {"NG"}


@pytest.mark.parametrize(
    ("field", "value"), [("budget", -0.1), ("budget", 1.0), ("overkill", 1.0), ("escape_cost", 0.0), ("unknown", "OK")]
)
def test_a_setting_out_of_its_range_is_named(field: str, value: object) -> None:
    with pytest.raises(BundleError, match=f"decision.{field} = {value!r}: expected"):
        DecisionSettings(**{field: value})  # type: ignore[arg-type]


@pytest.mark.parametrize("shape", [(0, DIM), (DIM,)])
def test_an_enrolment_holds_an_embedding(shape: tuple[int, ...]) -> None:
    with pytest.raises(GalleryError, match="holds at least one embedding"):
        Enrolment("good", "ok", np.zeros(shape, np.float32), ())
