"""What an operator should know before a class is taught: what it resembles, and whether the shots will do.

Nothing here changes a gallery. The shots are put beside what the gallery holds, in memory, and each of them is judged
as if its part had not been taught (`Head.left_out`); so what is said is an estimate, with its interval.
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgefs_runtime.base.labels import difference_in_words, twin_of
from edgefs_runtime.base.stats import clopper_pearson
from edgefs_runtime.decision.heads import fit_head
from edgefs_runtime.decision.judge import Judge
from edgefs_runtime.decision.snapshot import Enrolment, Snapshot, extended, first_views

_SAME = 0.25  # of the usual distance between two parts of one class: two pictures of one part
_MOST = 0.8  # share of the shots
_TYPICAL = 0.1  # median p-value
_DRAWS = 6  # subsets of the shots for a point of the learning curve


@dataclass(frozen=True)
class Advice:
    """What enrolling some shots would do.

    Attributes:
        label: the class.
        is_new: whether the gallery does not know it yet.
        shots: images given.
        parts: different parts among them, as far as can be told: near-duplicates and shots of one group count once.
        nearest: the other class that the shots are nearest to now, not yet taught; None where there is no other.
        probability: of that class, as `predict` gives it now; the mean over the shots, 0 to 1.
        right: shots that would be told as the class if they had not been taught.
        judged: shots that this can be said of.
        taken: for each other class, how many of its own rows would be told as this class from now on; of a large
            gallery, of those that are judged.
        duplicates: pairs of shots (positions) that show almost the same.
        outlier: position of the shot that does not fit the others; None where all do.
        curve: (number of shots, share of the others told rightly), by rising number.
        conflict: why it should not be enrolled unasked, in a sentence; empty when it may.
        challenge: for each challenge part that passes now and would fail, a sentence that says so.
    """

    label: str
    is_new: bool
    shots: int
    parts: int
    nearest: str | None
    probability: float
    right: int
    judged: int
    taken: dict[str, int]
    duplicates: tuple[tuple[int, int], ...]
    outlier: int | None
    curve: tuple[tuple[int, float], ...]
    conflict: str
    challenge: tuple[str, ...] = ()

    @property
    def expected(self) -> tuple[float, float]:
        """Exact 95 % interval of the share of further parts of the class that will be told as it."""
        return clopper_pearson(self.right, self.judged)

    def to_json(self) -> dict[str, Any]:
        """The fields as plain JSON values, with the interval."""
        return {**vars(self), "expected": list(self.expected), "curve": [list(point) for point in self.curve]}


def advise(judge: Judge, enrolment: Enrolment, spoiled_by: Callable[[Snapshot], tuple[str, ...]]) -> Advice:
    """Look at an enrolment beside what `judge` decides by.

    Args:
        judge: what decides now.
        enrolment: as the gallery compares it.
        spoiled_by: the challenge parts that would fail under a snapshot, a sentence each.
    """
    before, label = judge.snapshot, enrolment.label
    asked = first_views(enrolment, before.views)
    duplicates = _duplicates(before, asked)
    merged = merged_parts(enrolment, duplicates)
    after = extended(before, enrolment, merged)
    own = np.arange(len(before.classes), len(after.classes))
    left = fit_head(judge.settings.head, after).left_out(np.concatenate([before.judged, own]))
    column = after.labels.index(label)
    told, scores = left.scores.argmax(axis=1), left.scores[len(before.judged) :]
    own_told = told[len(before.judged) :]
    judged = np.isfinite(scores[:, column])
    nearest, probability = _nearest_other(judge, asked, label)
    return Advice(
        label=label,
        is_new=label not in before.labels,
        shots=len(own),
        parts=len(set(merged)),
        nearest=nearest,
        probability=probability,
        right=int((own_told[judged] == column).sum()),
        judged=int(judged.sum()),
        taken=_taken(judge, before, after, told, column),
        duplicates=duplicates,
        outlier=_outlier(scores, column, own_told),
        curve=_curve(judge, before, enrolment, merged),
        conflict=find_conflict(judge, enrolment),
        challenge=spoiled_by(extended(before, enrolment, merged_parts(enrolment))),
    )


def find_conflict(judge: Judge, enrolment: Enrolment) -> str:
    """Why an enrolment should not be made unasked; empty when it may.

    It should not when the label is new and differs from a known one in case or width only; nor when the shots, before
    they are taught, are typical of one class that they are not to be taught as.

    Measured on steel and magnetic tile, five shots: of classes that really were new 0 to 23 % are stopped so, of an
    existing class under another name 40 to 100 %.
    """
    known, label = judge.snapshot.labels, enrolment.label
    if label not in known and (twin := twin_of(label, known)):
        return f"{label!r} differs {difference_in_words(label, twin)} only from {twin!r}, which is known"
    before = judge.decide(first_views(enrolment, judge.snapshot.views))
    other, count = Counter(decision.nearest for decision in before).most_common(1)[0]
    typical = [decision.p_value for decision in before if decision.p_value is not None]
    if other == enrolment.label or count < _MOST * len(before) or not typical or float(np.median(typical)) < _TYPICAL:
        return ""
    images = f"{count} of {len(before)} images look" if len(before) > 1 else "the image looks"
    return f"{images} like {other!r}"


def _nearest_other(judge: Judge, vectors: NDArray[np.float32], label: str) -> tuple[str | None, float]:
    """The class beside `label` with most probability over vectors `[k,D]`, by the decisions of `predict`."""
    total: Counter[str] = Counter()
    for decision in judge.decide(vectors):
        total.update({name: probability for name, probability in decision.ranking if name != label})
    if not total:
        return None, 0.0
    nearest = max(total, key=lambda name: total[name])
    return nearest, total[nearest] / len(vectors)


def _duplicates(snapshot: Snapshot, vectors: NDArray[np.float32]) -> tuple[tuple[int, int], ...]:
    usual = _usual_distance(snapshot)
    return tuple(
        (a, b)
        for a, b in itertools.combinations(range(len(vectors)), 2)
        if float(np.linalg.norm(vectors[a] - vectors[b])) < _SAME * usual
    )


def _usual_distance(snapshot: Snapshot) -> float:
    """Median distance between rows of different parts of one class; 0 where no class has two parts."""
    distances = []
    for number in range(len(snapshot.labels)):
        rows = snapshot.judged[snapshot.classes[snapshot.judged] == number][:50]  # enough for a median
        vectors, parts = snapshot.take(rows)[:, 0].astype(np.float64), snapshot.parts[rows]
        apart = np.linalg.norm(vectors[:, None] - vectors[None], axis=2)
        distances.append(apart[np.triu(parts[:, None] != parts[None], 1)])
    every = np.concatenate(distances) if distances else np.empty(0)
    return float(np.median(every)) if len(every) else 0.0


def merged_parts(enrolment: Enrolment, duplicates: Sequence[tuple[int, int]] = ()) -> list[int]:
    """A number `[k]` for the part each shot shows: one for a group, and one for pairs of `duplicates`."""
    names = [group or digest for group, digest in zip(enrolment.groups, enrolment.digests, strict=True)]
    part = [names.index(name) for name in names]
    for a, b in duplicates:
        part = [part[a] if number == part[b] else number for number in part]
    return part


def _taken(judge: Judge, before: Snapshot, after: Snapshot, told: NDArray[np.int64], column: int) -> dict[str, int]:
    """Rows that were told as their class and would now go to the new one, of those that are judged."""
    places = before.judged
    was = fit_head(judge.settings.head, before).left_out(places).scores.argmax(axis=1)
    classes = before.classes[places]
    lost = (was == classes) & (told[: len(places)] == column) & (after.classes[places] != column)
    return dict(Counter(before.labels[label] for label in classes[lost]))


def _outlier(scores: NDArray[np.float64], column: int, told: NDArray[np.int64]) -> int | None:
    """The one shot that, left out, goes to another class while all the others stay."""
    if not np.isfinite(scores[:, column]).all() or len(scores) < 4:
        return None
    strangers = np.flatnonzero(told != column)
    return int(strangers[0]) if len(strangers) == 1 else None


def _curve(judge: Judge, before: Snapshot, enrolment: Enrolment, parts: Sequence[int]) -> tuple[tuple[int, float], ...]:
    """Teach some of the parts and ask about the others, for 1, 2, 4 … parts."""
    different, images = sorted(set(parts)), first_views(enrolment, before.views)
    rng = np.random.default_rng(0)
    points = []
    for number in (1, 2, 4, 8, 16):
        if number >= len(different):
            break
        shares = []
        for _ in range(1 if before.is_large else _DRAWS):
            chosen = set(rng.choice(different, number, replace=False).tolist())
            taught = np.array([part in chosen for part in parts])
            some = extended(before, enrolment, parts, taught)
            told = fit_head(judge.settings.head, some).scores(images[~taught]).argmax(axis=1)
            shares.append(float((told == some.labels.index(enrolment.label)).mean()))
        points.append((number, float(np.mean(shares))))
    return tuple(points)
