"""The gate: an equal network passes, a worse one doesn't, and too little evidence is no evidence."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from edgefs.data import Sample
from edgefs.embedding.enrolments import Embedded
from edgefs.pipelines.export.precision.gate import Change, Gate, measure_gate
from edgefs.pipelines.export.precision.gate_plan import GatePlan
from edgefs_runtime.base.errors import DataError
from edgefs_runtime.decision.settings import DecisionSettings

Vectors = dict[str, NDArray[np.float32]]


def world(classes: int, images: int, apart: float = 6.0, first: int = 0) -> tuple[list[Sample], Vectors]:
    """Gaussian classes `apart` deviations from each other."""
    samples, vectors = [], {}
    for label in range(first, first + classes):
        rng = np.random.default_rng(label)
        centre = np.zeros(12)
        centre[label] = apart
        for number in range(images):
            digest = f"{label:02}{number:03}".ljust(64, "0")
            samples.append(Sample(Path(digest), f"c{label}", "", "", digest, (1, 1), 8))
            vectors[digest] = (centre + rng.standard_normal(12)).astype(np.float32)
    return samples, vectors


def noisy(vectors: Vectors, deviation: float) -> Vectors:
    rng = np.random.default_rng(9)
    return {key: (row + deviation * rng.standard_normal(12)).astype(np.float32) for key, row in vectors.items()}


def gate(samples: list[Sample], reference: Vectors, found: Vectors, limit: float = 0.005, train: int = 0) -> Gate:
    known = {sample.label: "defect" for sample in samples if not sample.label.startswith("s")}
    plan = GatePlan.of(samples[:train], samples[train:], known, 5)
    return measure_gate(plan, Embedded(reference, reference), Embedded(found, found), known, DecisionSettings(), limit)


def test_the_bound_of_a_mean_is_students() -> None:
    change = Change.of([0.9, 0.8, 0.7], [0.8, 0.8, 0.8])
    assert change.drop == pytest.approx(0)
    assert change.bound == pytest.approx(2.919986 * 0.1 / 3**0.5)  # t of 2 degrees of freedom, from a printed table


def test_the_same_network_passes_and_the_bound_is_not_zero() -> None:
    samples, vectors = world(4, 60, apart=4)
    found = gate(samples, vectors, vectors)
    assert found.passes, found.reasons
    assert (found.right.lost, found.right.won, found.right.drop) == (0, 0, 0)
    assert 0 < found.right.bound <= 0.005
    assert found.unknowns is not None
    assert found.unknowns.drop == 0
    json.dumps(found.to_json(), allow_nan=False)


def test_a_network_that_lost_something_does_not_pass() -> None:
    samples, vectors = world(4, 60, apart=4)
    found = gate(samples, vectors, noisy(vectors, 1.5))
    assert not found.passes
    assert found.right.drop > 0.01
    assert any("accuracy may fall" in reason for reason in found.reasons)


def test_strangers_that_look_like_a_known_class_now_are_seen_though_every_answer_stays_right() -> None:
    samples, vectors = world(3, 60, apart=30)
    strangers, own = world(1, 60, apart=7, first=5)
    before = vectors | own
    after = {key: vectors[samples[0].digest] if key in own else row for key, row in before.items()}
    known = {sample.label: "defect" for sample in samples}
    plan = GatePlan.of((), [*samples, *strangers], known, 5)
    found = measure_gate(plan, Embedded(before, before), Embedded(after, after), known, DecisionSettings(), 0.005)
    assert found.right.lost == 0
    assert any("AUROC of unknowns" in reason for reason in found.reasons)


def test_few_images_prove_nothing() -> None:
    samples, vectors = world(2, 7)
    found = gate(samples, vectors, vectors, limit=0.05)
    assert found.right.decisions < 500
    assert not found.passes
    assert "keep more labelled images for testing" in found.reasons[0]


def test_images_that_did_not_teach_are_taken_where_there_are_enough() -> None:
    samples, _ = world(3, 40)
    known = {sample.label: "defect" for sample in samples}
    teaching = [sample for sample in samples if int(sample.digest[2:5]) < 10]
    rest = [sample for sample in samples if sample not in teaching]
    held_out = GatePlan.of(teaching, rest, known, 5)
    assert held_out.held_out
    assert not {sample.digest for sample in (*held_out.teaching, *held_out.asked)} & {s.digest for s in teaching}
    assert not GatePlan.of(samples, (), known, 5).held_out
    assert GatePlan.of(teaching, rest, known, 200).shots < 200


def test_a_gallery_of_good_parts_is_measured_by_what_it_accepts() -> None:
    good, vectors = world(1, 80)
    strangers, others = world(1, 40, first=1)
    strangers = [dataclasses.replace(sample, label="scratch") for sample in strangers]
    plan = GatePlan.of((), [*good, *strangers], {"c0": "ok"}, 20)
    embedded, blind = Embedded(vectors | others, vectors | others), noisy(vectors | others, 6)
    settings = DecisionSettings(head={"kind": "prototype"})
    same = measure_gate(plan, embedded, embedded, {"c0": "ok"}, settings, 0.005)
    assert same.unknowns is not None
    assert same.unknowns.reference > 0.9
    assert same.right.reference > 0.8
    worse = measure_gate(plan, embedded, Embedded(blind, blind), {"c0": "ok"}, settings, 0.005)
    assert not worse.passes


def test_a_class_of_one_image_can_not_be_measured() -> None:
    samples, _ = world(2, 1)
    with pytest.raises(DataError, match="fewer than two parts"):
        GatePlan.of(samples, (), {sample.label: "defect" for sample in samples}, 1)
