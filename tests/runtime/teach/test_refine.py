"""Refining by unlabelled images: what it gains, and what it must not be taken in by."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from textures import draw

from edgefs_runtime import Classifier, GalleryError
from edgefs_runtime.decision.heads import LdaHead, LeftOutScores, fit_head
from edgefs_runtime.decision.rejection import fit_temperature
from edgefs_runtime.decision.snapshot import Enrolment, Snapshot, build_snapshot
from edgefs_runtime.teach.refine import means_of, pseudo_label

pytestmark = pytest.mark.device

Pictures = Callable[..., list[Path]]
DIM, APART, VIEW = 40, 4.0, 0.3


def drawn(label: int, count: int, rng: np.random.Generator) -> np.ndarray:
    """Unit rows `[count,DIM]` of a class that is wide along its own direction, as real classes are."""
    rows = rng.standard_normal((count, DIM))
    rows[:, label] += APART
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def gallery(rng: np.random.Generator, shots: int = 1, classes: int = 4, views: int = 4) -> Snapshot:
    enrolments = []
    for label in range(classes):
        images = drawn(label, shots, rng)[:, None] + VIEW / DIM**0.5 * rng.standard_normal((shots, views, DIM))
        digests = tuple(f"{label}{row}" for row in range(shots))
        enrolments.append(Enrolment(f"c{label}", "defect", images.reshape(shots, -1).astype(np.float32), digests))
    return build_snapshot(enrolments, 0, views)


def accuracy(snapshot: Snapshot, rng: np.random.Generator) -> float:
    asked = np.concatenate([drawn(label, 50, rng) for label in range(4)]).astype(np.float32)
    return float((LdaHead(snapshot).scores(asked).argmax(axis=1) == np.repeat(range(4), 50)).mean())


def with_means(snapshot: Snapshot, rows: np.ndarray, labels: np.ndarray) -> Snapshot:
    enrolments = [
        Enrolment(label, "defect", snapshot.vectors[snapshot.classes == number], (f"{label}",) * 1)
        for number, label in enumerate(snapshot.labels)
    ]
    for number, mean in means_of(rows, labels, snapshot.views).items():
        enrolments.append(Enrolment(snapshot.labels[number], "defect", mean, (f"mean{number}",) * len(mean)))
    return build_snapshot(enrolments, 0, snapshot.views)


def test_unlabelled_rows_of_all_classes_make_one_shot_better() -> None:
    gains, wrong, used = [], 0, 0
    for seed in range(20):
        rng = np.random.default_rng(seed)
        snapshot = gallery(rng)
        rows = np.concatenate([drawn(label, 40, rng) for label in range(4)]).astype(np.float32)
        labels = pseudo_label(snapshot, rows)
        truth = np.repeat(range(4), 40)
        used += int((labels >= 0).sum())
        wrong += int(((labels >= 0) & (labels != truth)).sum())
        after = accuracy(with_means(snapshot, rows, labels), np.random.default_rng(100 + seed))
        gains.append(after - accuracy(snapshot, np.random.default_rng(100 + seed)))
    assert np.mean(gains) > 0.02
    assert wrong < 0.1 * used


def test_rows_of_a_class_that_nobody_taught_are_left_alone() -> None:
    for seed in range(6):
        rng = np.random.default_rng(seed)
        assert (pseudo_label(gallery(rng), drawn(7, 100, rng).astype(np.float32)) == -1).all()


def test_one_image_many_times_counts_for_nothing() -> None:
    rng = np.random.default_rng(1)
    snapshot = gallery(rng)
    copies = np.repeat(drawn(0, 1, rng), 200, axis=0) + 1e-4 * rng.standard_normal((200, DIM))
    assert (pseudo_label(snapshot, copies.astype(np.float32)) == -1).all()
    taught = np.repeat(snapshot.rows[:1, 0], 200, axis=0)
    assert (pseudo_label(snapshot, taught) == -1).all()


def test_classes_of_many_images_are_left_alone() -> None:
    rng = np.random.default_rng(2)
    rows = np.concatenate([drawn(label, 40, rng) for label in range(4)]).astype(np.float32)
    assert (pseudo_label(gallery(rng, shots=6), rows) == -1).all()


def test_the_same_buffer_gives_the_same_labels_and_nothing_comes_of_nothing() -> None:
    rng = np.random.default_rng(3)
    snapshot = gallery(rng)
    rows = np.concatenate([drawn(label, 20, rng) for label in range(4)]).astype(np.float32)
    assert (pseudo_label(snapshot, rows) == pseudo_label(snapshot, rows)).all()
    assert pseudo_label(snapshot, rows[:0]).shape == (0,)
    assert (pseudo_label(snapshot, rows[:3]) == -1).all()


def know_from(classifier: Classifier, pictures: Pictures, images: int) -> None:
    """Make each class of the bundle known from so many images, and from none of its seed."""
    for label in ("good", "dots", "stripes"):
        classifier.forget(label)
        classifier.enroll(label, pictures(label, images), force=True)


def test_what_refining_adds_is_logged_and_undone_in_one_act(bundle: Path, pictures: Pictures) -> None:
    with Classifier.open(bundle) as classifier:
        know_from(classifier, pictures, 2)
        asked = [draw(kind, number, 32) for kind in ("good", "dots", "stripes") for number in range(300, 310)]
        before = [decision.score for decision in classifier.predict(asked)]
        unlabelled = [path for kind in ("good", "dots", "stripes") for path in pictures(kind, 40, first=400)]
        gained = classifier.refine(unlabelled, actor="ana")
        assert gained
        assert all(number > 5 for number in gained.values())
        entry = classifier.gallery.log()[-1]
        assert (entry.label, entry.actor, entry.classes) == (", ".join(sorted(gained)), "ana", len(gained))
        assert "unlabelled images" in entry.reason
        assert classifier.judge.snapshot.counts == {
            label: 2 + 3 * (label in gained) for label in ("dots", "good", "stripes")
        }
        assert [decision.score for decision in classifier.predict(asked)] != before
        again = classifier.refine(unlabelled)
        assert not again.keys() & gained.keys()
        if again:
            classifier.undo()
        classifier.undo()
        assert [decision.score for decision in classifier.predict(asked)] == before


def test_a_mean_is_no_example_of_what_looks_usual(bundle: Path, pictures: Pictures) -> None:
    """Thresholds and temperature are those of the images: a mean lies nearer to its class than any of them."""
    with Classifier.open(bundle) as classifier:
        know_from(classifier, pictures, 4)
        gained = classifier.refine([path for kind in ("good", "dots") for path in pictures(kind, 60, first=400)])
        snapshot, judge = classifier.judge.snapshot, classifier.judge
        assert gained
        assert len(gained) == len(snapshot.means)
        assert np.isin(snapshot.parts, snapshot.means).sum() == 3 * len(gained)
        images = ~np.isin(snapshot.parts, snapshot.means)
        assert images.sum() == 12
        head = fit_head(judge.settings.head, snapshot)
        left_out = head.left_out()
        alone = LeftOutScores(left_out.scores[images], left_out.strangeness[images])
        assert judge.temperature != fit_temperature(left_out, snapshot.classes, head.default_temperature)
        assert judge.temperature == fit_temperature(alone, snapshot.classes[images], head.default_temperature)
        with Classifier.open(bundle) as reader:  # from the snapshot file, while there is an owner
            assert (reader.judge.snapshot.means, reader.judge.temperature) == (snapshot.means, judge.temperature)
    with Classifier.open(bundle) as reader:  # from the database
        assert (reader.judge.snapshot.means, reader.judge.temperature) == (snapshot.means, judge.temperature)


def test_unusable_unlabelled_images_are_passed_over(bundle: Path, tmp_path: Path) -> None:
    (tmp_path / "no.png").write_bytes(b"nothing")
    black = np.zeros((32, 32, 3), np.uint8)
    with Classifier.open(bundle) as classifier:
        assert classifier.refine([tmp_path / "no.png", black]) == {}
        assert classifier.gallery_path is not None
        assert not classifier.gallery_path.exists()


def test_the_seed_alone_is_not_refined(bundle: Path, pictures: Pictures) -> None:
    with Classifier.open(bundle, seed_only=True) as classifier, pytest.raises(GalleryError, match="seed alone"):
        classifier.refine(pictures("dots", 10))
