"""What is drawn to calibrate on: classes and parts in turn, or images that cover the others; whatever their order."""

from __future__ import annotations

from collections import Counter

import numpy as np

from edgefs_calibration.int8.sampling import balanced_sample, k_center


def images(counts: dict[str, int], per_part: int = 1) -> tuple[list[str], list[str], list[str]]:
    labels = [label for label, count in counts.items() for _ in range(count)]
    groups = [f"{label}-{number // per_part}" for label, count in counts.items() for number in range(count)]
    return labels, groups, [f"{number:064x}" for number in range(len(labels))]


def test_a_rare_class_is_seen_as_often_as_a_common_one_while_it_lasts() -> None:
    labels, groups, digests = images({"good": 500, "scratch": 6, "dent": 20})
    chosen = balanced_sample(labels, groups, digests, 30)
    assert Counter(labels[place] for place in chosen) == {"good": 12, "scratch": 6, "dent": 12}
    assert len(balanced_sample(labels, groups, digests, 9999)) == 526


def test_parts_take_turns_before_one_is_seen_twice() -> None:
    labels, groups, digests = images({"good": 40}, per_part=4)
    assert len({groups[place] for place in balanced_sample(labels, groups, digests, 10)}) == 10


def test_the_order_of_the_images_does_not_matter_and_the_seed_does() -> None:
    labels, groups, digests = images({"a": 30, "b": 30})
    chosen = {digests[place] for place in balanced_sample(labels, groups, digests, 12)}
    order = np.random.default_rng(1).permutation(60)
    moved = [[side[place] for place in order] for side in (labels, groups, digests)]
    assert {moved[2][place] for place in balanced_sample(*moved, 12)} == chosen
    assert {digests[place] for place in balanced_sample(labels, groups, digests, 12, seed=1)} != chosen


def test_k_center_covers_clusters_however_small_they_are() -> None:
    rng = np.random.default_rng(0)
    centres = np.eye(6) * 50
    sizes = [200, 3, 40, 5, 2, 90]
    rows = np.concatenate(
        [centre + rng.standard_normal((size, 6)) for centre, size in zip(centres, sizes, strict=True)]
    )
    cluster = np.repeat(range(6), sizes)
    chosen = k_center(rows.astype(np.float32), 6)
    assert sorted(cluster[chosen].tolist()) == [0, 1, 2, 3, 4, 5]
    order = rng.permutation(len(rows))
    again = k_center(rows[order].astype(np.float32), 6)
    assert sorted(order[again].tolist()) == chosen


def test_k_center_takes_equal_images_once_each() -> None:
    assert k_center(np.zeros((4, 3), np.float32), 9) == [0, 1, 2, 3]
    assert k_center(np.zeros((0, 3), np.float32), 9) == []
