"""Alignment as a function of arrays: what it maps, and what an unknown mix of classes does to it."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from edgefs_runtime.base.errors import GalleryError
from edgefs_runtime.decision.alignment import Alignment
from edgefs_runtime.decision.snapshot import Enrolment, Snapshot, build_snapshot
from edgefs_runtime.realign.estimate import fit_alignment

pytestmark = pytest.mark.device

DIM, LABELS = 24, ("a", "b", "c", "d")
MEANS = {label: 4.0 * np.eye(DIM)[place] for place, label in enumerate((*LABELS, "stranger"))}
SHIFT = 3.0 * np.sign(np.random.default_rng(1).standard_normal(DIM)) / np.sqrt(DIM)


def rows(label: str, count: int, seed: int = 0) -> NDArray[np.float32]:
    rng = np.random.default_rng((ord(label[0]), seed))
    return (MEANS[label] + 0.6 * rng.standard_normal((count, DIM))).astype(np.float32)


def gallery(labels: tuple[str, ...] = LABELS, shots: int = 8) -> Snapshot:
    enrolments = [
        Enrolment(label, "defect", rows(label, shots), tuple(f"{label}{row}" for row in range(shots)))
        for label in labels
    ]
    return build_snapshot(enrolments, 0)


def batch(seed: int = 5, **counts: int) -> NDArray[np.float32]:
    return np.concatenate([rows(label, count, seed) for label, count in counts.items()])


def moved(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    return (vectors + SHIFT).astype(np.float32)


def off(alignment: Alignment) -> float:
    """How far rows of all classes, through it, lie from where they would be, per row."""
    truth = batch(9, a=20, b=20, c=20, d=20)
    return float(np.linalg.norm(alignment(moved(truth)) - truth, axis=1).mean())


MIXES = {
    "balanced": {"a": 15, "b": 15, "c": 15, "d": 15},
    "nearly all of one class": {"a": 57, "b": 1, "c": 1, "d": 1},
    "with strangers": {"a": 15, "b": 15, "c": 15, "stranger": 12},
}


@pytest.mark.parametrize("kind", ["mean", "moments", "coral", "auto"])
@pytest.mark.parametrize("mix", MIXES)
def test_a_shift_is_taken_off_whatever_the_mix(mix: str, kind: str) -> None:
    alignment = fit_alignment(moved(batch(**MIXES[mix])), gallery(), kind)
    assert alignment.kind == ("moments" if kind == "auto" else kind)
    assert off(alignment) < 0.45 * np.linalg.norm(SHIFT)


def test_plain_means_would_move_the_classes_and_this_does_not() -> None:
    seen = moved(batch(a=57, b=1, c=1, d=1))
    plain = np.linalg.norm(seen.mean(axis=0) - np.mean([MEANS[label] for label in LABELS], axis=0) - SHIFT)
    assert off(fit_alignment(seen, gallery(), "mean")) < 0.5 * plain


@pytest.mark.parametrize("mix", [mix for mix in MIXES if mix != "with strangers"])
def test_nothing_is_mapped_where_nothing_changed(mix: str) -> None:
    alignment = fit_alignment(batch(**MIXES[mix]), gallery())
    assert alignment.kind == "none"
    truth = batch(9, a=5)
    assert alignment(truth) is truth


def test_a_gallery_of_one_class_is_aligned_too() -> None:
    alignment = fit_alignment(moved(batch(a=40)), gallery(("a",), shots=40))
    truth = rows("a", 20, 9)
    assert np.linalg.norm((alignment(moved(truth)) - truth).mean(axis=0)) < 0.4 * np.linalg.norm(SHIFT)


REFUSED = {
    "9 images that differ can't tell": lambda: moved(batch(a=3, b=3, c=3)),
    "1 image that differs can't tell": lambda: np.repeat(moved(batch(a=1)), 50, axis=0),
    "the gallery's have 24": lambda: batch(a=40)[:, :7],
}


@pytest.mark.parametrize("said", REFUSED)
def test_what_cannot_be_told_is_refused_in_one_line(said: str) -> None:
    with pytest.raises(GalleryError, match=said) as raised:
        fit_alignment(REFUSED[said](), gallery())
    assert "\n" not in str(raised.value)


def test_a_gallery_of_single_images_cannot_tell_chance_from_shift() -> None:
    with pytest.raises(GalleryError, match="no class has a second image"):
        fit_alignment(moved(batch(a=40)), gallery(shots=1))


@pytest.mark.parametrize("kind", ["mean", "moments", "coral"])
def test_bytes_say_the_same_and_come_back(kind: str) -> None:
    alignment = fit_alignment(moved(batch(**MIXES["balanced"])), gallery(), kind)
    again = Alignment.from_bytes(alignment.to_bytes())
    assert again.to_bytes() == alignment.to_bytes()
    assert again.digest == alignment.digest
    truth = batch(9, a=5, b=5)
    assert np.array_equal(again(truth), alignment(truth))


def test_views_end_to_end_are_mapped_one_by_one() -> None:
    alignment = fit_alignment(moved(batch(**MIXES["balanced"])), gallery())
    truth = batch(9, a=6)
    assert np.array_equal(alignment(truth.reshape(3, 2 * DIM)).reshape(6, DIM), alignment(truth))


def test_where_embeddings_have_unit_length_lengths_are_kept() -> None:
    def unit(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
        return np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True), np.float32)

    enrolments = [Enrolment(label, "defect", unit(rows(label, 8)), tuple("12345678")) for label in LABELS]
    alignment = fit_alignment(unit(moved(batch(**MIXES["balanced"]))), build_snapshot(enrolments, 0))
    truth = unit(moved(batch(9, a=5)))
    assert alignment.unit
    assert np.allclose(np.linalg.norm(alignment(truth), axis=1), 1, atol=1e-5)
    assert np.allclose(np.linalg.norm(alignment(truth * 0.5), axis=1), 0.5, atol=1e-5)


DAMAGED = {
    "nothing": lambda data: b"",
    "cut": lambda data: data[:-4],
    "other": lambda data: b"EFSSNAP2" * 9,
    "no header": lambda data: data[4:],
    "not a number": lambda data: data[:-4] + np.float32(np.nan).tobytes(),
}


@pytest.mark.parametrize("fault", DAMAGED)
def test_damaged_bytes_are_refused(fault: str) -> None:
    data = Alignment.identity(DIM).to_bytes()
    with pytest.raises(GalleryError, match="an alignment can't be read"):
        Alignment.from_bytes(DAMAGED[fault](data))
