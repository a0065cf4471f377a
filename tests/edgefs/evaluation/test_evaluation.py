"""Scores against scikit-learn, and the rest against counts made by hand."""

from __future__ import annotations

import json
import warnings

import numpy as np
import pytest

from edgefs.evaluation import Evaluation, evaluation_text, headline
from edgefs.evaluation.scores import balanced_accuracy
from edgefs_calibration.statistics.rates import Rate
from edgefs_runtime.decision.decision import Decision, Disposition

KNOWN: dict[str, Disposition] = {"good": "ok", "scratch": "defect", "划痕": "defect"}


def decide(nearest: str | None, *, refused: bool = False, probability: float = 0.9, p_value: float = 0.5) -> Decision:
    label = None if refused else nearest
    verdict = "NO_DECISION" if nearest is None else "OK" if label == "good" else "NG"
    return Decision(
        verdict,
        label,
        nearest,
        None,
        1.0,
        probability,
        p_value,
        1 - p_value,
        "conformal",
        0.1,
        (),
        (),
        "",
        None,
        "0" * 64,
        0,
        "",
    )


def random_test(seed: int) -> tuple[list[str], list[Decision]]:
    rng = np.random.default_rng(seed)
    truths = [str(label) for label in rng.choice(["good", "scratch"], size=80)]  # 划痕 is answered but never shown
    return truths, [decide(str(rng.choice(list(KNOWN))), refused=rng.random() < 0.2) for _ in truths]


@pytest.mark.parametrize("seed", range(5))
def test_scores_agree_with_scikit_learn(seed: int) -> None:
    metrics = pytest.importorskip("sklearn.metrics")
    truths, decisions = random_test(seed)
    evaluation = Evaluation.of(truths, decisions, KNOWN)
    for scores, answers in (
        (evaluation.nearest, [decision.nearest for decision in decisions]),
        (evaluation.with_rejection, [decision.label or "unknown" for decision in decisions]),
    ):
        assert scores.accuracy.value == pytest.approx(metrics.accuracy_score(truths, answers))
        _, recall, f1, _ = metrics.precision_recall_fscore_support(
            truths, answers, labels=["good", "scratch"], zero_division=0
        )
        assert scores.balanced_accuracy == pytest.approx(recall.mean())
        assert scores.macro_f1 == pytest.approx(f1.mean())


def test_every_image_stands_in_one_cell_of_the_confusion_matrix() -> None:
    truths = ["good", "good", "scratch", "oil", "oil", "划痕"]
    decisions = [
        decide("good"),
        decide("scratch"),
        decide(None),
        decide("good"),
        decide("good", refused=True),
        decide("划痕"),
    ]
    confusion = Evaluation.of(truths, decisions, KNOWN).confusion
    assert confusion.rows == ("good", "scratch", "划痕", "oil")
    assert confusion.labels == ("good", "scratch", "划痕")
    assert confusion.counts == ((1, 1, 0, 0, 0), (0, 0, 0, 0, 1), (0, 0, 1, 0, 0), (1, 0, 0, 1, 0))
    assert confusion.worst_pairs(1) == [("good", "scratch", 1)]


def test_a_class_called_like_a_column_is_not_mistaken_for_it() -> None:
    evaluation = Evaluation.of(["no decision"], [decide("no decision")], {"no decision": "defect"})
    assert evaluation.confusion.counts == ((1, 0, 0),)


def test_unknown_classes_count_in_rates_but_not_in_accuracy() -> None:
    truths = ["good", "oil", "oil", "oil"]
    decisions = [decide("good"), decide("good"), decide("scratch"), decide("good", refused=True)]
    evaluation = Evaluation.of(truths, decisions, KNOWN)
    assert evaluation.nearest.accuracy == Rate(1, 1)
    assert evaluation.rates.caught == Rate(1, 3)
    assert evaluation.rates.escapes == Rate(1, 3)
    oil = evaluation.classes[-1]
    assert (oil.label, oil.known, oil.disposition, oil.count) == ("oil", False, "defect", 3)
    assert (oil.recall, oil.f1, oil.refused) == (Rate(0, 0), None, Rate(1, 3))


def test_dispositions_of_strangers_may_be_given() -> None:
    evaluation = Evaluation.of(["new variant"], [decide("scratch")], KNOWN, strangers={"new variant": "ok"})
    assert (evaluation.rates.overkill, evaluation.rates.escapes) == (Rate(1, 1), Rate(0, 0))


def test_class_figures_are_of_the_nearest_class() -> None:
    truths = ["good", "good", "good", "scratch"]
    decisions = [decide("good"), decide("good", refused=True), decide("scratch"), decide("scratch")]
    good, scratch, unseen = Evaluation.of(truths, decisions, KNOWN).classes
    assert (good.count, good.recall, good.precision, good.refused) == (3, Rate(2, 3), Rate(2, 2), Rate(1, 3))
    assert good.f1 == pytest.approx(0.8)
    assert (scratch.recall, scratch.precision) == (Rate(1, 1), Rate(1, 2))
    assert (unseen.count, unseen.recall, unseen.f1) == (0, Rate(0, 0), None)


def test_an_image_without_a_decision_counts_as_wrong_but_not_as_overkill() -> None:
    evaluation = Evaluation.of(["good", "good"], [decide("good"), decide(None)], KNOWN)
    assert evaluation.nearest.accuracy == Rate(1, 2)
    assert (evaluation.rates.overkill, evaluation.rates.unjudged) == (Rate(0, 1), Rate(1, 2))


def test_the_calibration_error_is_that_of_known_classes() -> None:
    truths = ["good", "good", "good", "good", "oil"]
    decisions = [decide("good", probability=0.75)] * 3 + [decide("scratch", probability=0.75), decide("good")]
    assert Evaluation.of(truths, decisions, KNOWN).calibration_error == pytest.approx(0.0)
    assert Evaluation.of(["oil"], decisions[:1], KNOWN).calibration_error is None


def test_mistakes_come_worst_first() -> None:
    truths = ["good", "good", "scratch", "good", "oil", "good", "good"]
    decisions = [
        decide("good"),
        decide("good", refused=True, p_value=0.03),
        decide("good", probability=0.6),
        decide("scratch", probability=0.99, refused=True),
        decide("scratch", probability=0.8),
        decide("good", refused=True, p_value=0.01),
        decide(None),
    ]
    assert Evaluation.of(truths, decisions, KNOWN).mistakes == (3, 4, 2, 5, 1)


def test_json_is_plain_and_does_not_depend_on_the_order_of_classes() -> None:
    truths, decisions = random_test(0)
    evaluation = Evaluation.of(truths, decisions, KNOWN)
    reordered = Evaluation.of(truths, decisions, dict(reversed(KNOWN.items())))
    text = json.dumps(evaluation.to_json(), allow_nan=False)
    assert text == json.dumps(reordered.to_json(), allow_nan=False)
    assert json.loads(text)["confusion"]["columns"] == [*sorted(KNOWN), "unknown", "no decision"]


def test_balanced_accuracy_counts_the_classes_that_are_shown() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # scikit-learn's, of an answer that is no truth
        assert balanced_accuracy(np.array([0, 0, 0, 1]), np.array([0, 0, 2, 1])) == pytest.approx((2 / 3 + 1) / 2)


def test_text_puts_overkill_and_escapes_first() -> None:
    truths, decisions = random_test(1)
    lines = evaluation_text(Evaluation.of(truths, decisions, KNOWN)).splitlines()
    assert lines[0].startswith("overkill")
    assert lines[1].startswith("escapes")


def test_text_columns_line_up_under_chinese_and_long_labels() -> None:
    known: dict[str, Disposition] = {"划痕": "defect", "x" * 60: "defect"}
    text = evaluation_text(Evaluation.of(["划痕", "x" * 60], [decide("划痕"), decide("划痕")], known))
    block = next(block for block in text.split("\n\n") if block.startswith("class "))
    terminal = [line.replace("划痕", "huahen"[:4]) for line in block.splitlines()]  # two columns each
    assert len({line.index("defect") for line in terminal[1:]}) == 1
    assert "x" * 40 not in text


def test_text_of_many_classes_lists_the_commonest_confusions() -> None:
    known: dict[str, Disposition] = {f"class-{number:02d}": "defect" for number in range(30)}
    text = evaluation_text(Evaluation.of(["class-03"] * 2, [decide("class-07")] * 2, known))
    assert "commonest confusions" in text
    assert max(map(len, text.splitlines())) <= 130


def test_text_of_very_many_classes_lists_the_worst() -> None:
    labels = [f"class {number:04d}" for number in range(600)]
    wrong = set(labels[400:407])
    decisions = [decide("class 0000" if label in wrong else label) for label in labels]
    text = evaluation_text(Evaluation.of(labels, decisions, dict.fromkeys(labels, "defect")))
    block = next(block for block in text.split("\n\n") if block.startswith("The 30 of 600 classes"))
    assert [line[:10] for line in block.splitlines()[2:9]] == sorted(wrong)
    assert len(block.splitlines()) == 2 + 30


@pytest.mark.parametrize("classes", [500, 501])
def test_the_confusions_of_more_than_500_classes_are_told_by_the_cells_that_hold_an_image(classes: int) -> None:
    labels = [f"class {number:04d}" for number in range(classes)]
    decisions = [decide(labels[3]), decide(labels[3]), decide(None), *map(decide, labels[3:])]
    confusion = Evaluation.of(labels, decisions, dict.fromkeys(labels, "defect")).confusion
    told = json.loads(json.dumps(confusion.to_json()))
    assert ("counts" in told) == (classes <= 500)
    assert ("cells" in told) == (classes > 500)
    counts = told.get("counts") or np.zeros((classes, classes + 2), int).tolist()
    for row, column, images in told.get("cells", ()):
        counts[row][column] = images
    assert tuple(map(tuple, counts)) == confusion.counts
    assert (counts[0][3], counts[2][classes + 1], counts[3][3], sum(map(sum, counts))) == (1, 1, 1, classes)


def test_without_a_class_of_good_parts_no_escape_rate_is_boasted_of() -> None:
    evaluation = Evaluation.of(["scratch"], [decide("scratch")], {"scratch": "defect"})
    assert not evaluation.can_pass
    assert "scapes" not in headline(evaluation)
    assert "no class of good parts" in evaluation_text(evaluation)


def test_an_empty_test_is_described_and_not_divided_by() -> None:
    evaluation = Evaluation.of([], [], KNOWN)
    assert headline(evaluation) == "No image to measure on."
    assert evaluation.nearest.balanced_accuracy is None
    json.dumps(evaluation.to_json(), allow_nan=False)
    assert "not measured" in evaluation_text(evaluation)


def test_figures_by_part_and_in_a_clinics_words() -> None:
    truths = ["good", "good", "scratch", "scratch"]
    decisions = [decide("good"), decide("scratch"), decide("good"), decide("scratch")]
    evaluation = Evaluation.of(truths, decisions, KNOWN, parts=["a", "a", "b", "b"])
    assert evaluation.part_rates is not None
    assert (evaluation.part_rates.overkill.events, evaluation.part_rates.overkill.trials) == (1, 1)
    assert evaluation.part_rates.escapes.events == 0
    text = evaluation_text(evaluation, medical=True)
    assert "sensitivity" in text
    assert "patients" in text
    assert "overkill" not in text
    assert Evaluation.of(truths, decisions, KNOWN, parts=["a", "b", "c", ""]).part_rates is None
    assert evaluation.to_json()["part_rates"]["specificity"]["events"] == 0


def test_unknowns_are_ranked_by_strangeness() -> None:
    evaluation = Evaluation.of(["good", "oil"], [decide("good", p_value=0.9), decide("good", p_value=0.1)], KNOWN)
    assert evaluation.unknown_auroc == 1.0
    assert Evaluation.of(["good"], [decide("good")], KNOWN).unknown_auroc is None


def test_why_no_part_is_good_though_images_are_is_said() -> None:
    truths, decisions = ["good", "scratch"], [decide("good"), decide("scratch")]
    lumped = Evaluation.of(truths, decisions, KNOWN, parts=["a", "a"])
    assert "good parts judged NG (every one with good images has defective ones)" in evaluation_text(lumped)
    assert "healthy patients not judged NG (every one with healthy images has" in evaluation_text(lumped, medical=True)
    apart = Evaluation.of([*truths, "good"], [*decisions, decide("good")], KNOWN, parts=["a", "a", "b"])
    assert "every one with" not in evaluation_text(apart)
