"""A judge turns embeddings into decisions: a gallery snapshot with the head, thresholds and temperature it leads to.

A `Judge` is immutable and shared between threads. The workstation measures with the same class, so tested and deployed
can't differ.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from time import gmtime, strftime, time_ns
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from edgefs_runtime.decision.decision import NO_NUMBER, Decision, Disposition, Verdict
from edgefs_runtime.decision.heads import Head, LeftOutScores, TrainedHead, fit_head
from edgefs_runtime.decision.rejection import Measured, Rejection, fit_rejection, fit_temperature, softmax
from edgefs_runtime.decision.settings import DecisionSettings
from edgefs_runtime.decision.snapshot import Snapshot

if TYPE_CHECKING:
    from edgefs_runtime.decision.held import Fit

SAFE_MARGIN = 1e-3  # of the two best probabilities of a smooth head; nearer than this, rounding decides
_RANKED = 5  # classes in a ranking

IsDefect = Callable[[int, list[float]], bool]  # by the nearest class and all probabilities
Seen = NDArray[np.float32] | str  # of a frame: its embedding [D], or why it can't be judged


class Judge:
    """Decides by what one snapshot of a gallery holds.

    Args:
        snapshot: the gallery's rows.
        settings: head, budget, verdict for unknowns.
        bundle: digest of the bundle, for provenance.
        trained: decides in the place of the gallery's head while the gallery holds the rows it was trained with.

    Attributes:
        gallery_temperature: of the scores of the gallery's head, its own rows left out.
        temperature: of the scores that decide.

    Raises:
        BundleError: the head is not known to this runtime.
    """

    def __init__(
        self, snapshot: Snapshot, settings: DecisionSettings, bundle: str = "", trained: TrainedHead | None = None
    ) -> None:
        self.snapshot = snapshot
        self.settings = settings
        self._bundle = bundle
        self._is_ok = tuple(disposition == "ok" for disposition in snapshot.dispositions)
        self._head, self._measured = self._fitted()
        self._rejection, self._of_ok = self._measured.rejection, self._measured.of_ok
        self.gallery_temperature = self.temperature = self._measured.temperature
        self._gallery_head = self._head
        self._trained = trained if trained is not None and trained.knows(snapshot) else None
        if self._trained is not None:
            self._head, self.temperature = self._trained.over(self._head), self._trained.temperature

    def _fitted(self) -> tuple[Head, Measured]:
        """The gallery's head, and what its own rows say of its answers; of a large gallery as it was kept."""
        snapshot, settings = self.snapshot, self.settings
        if snapshot.fit is not None:
            from edgefs_runtime.decision.remembered import recalled  # of large galleries alone

            if found := recalled(snapshot, settings):
                return found
        head = fit_head(settings.head, snapshot)
        return head, measure(head, snapshot, settings, self._is_ok, self._is_judged_defect)

    @property
    def fit(self) -> Fit | None:
        """What need not be fitted again where the same gallery is opened; None of a small one."""
        if not self.snapshot.is_large:
            return None
        from edgefs_runtime.decision.remembered import to_remember

        return to_remember(self.settings, self._gallery_head, self._measured)

    @property
    def head(self) -> str:
        """The kind of the head that decides."""
        return str(self.settings.head["kind"]) if self._trained is None else self._trained.kind

    @property
    def is_trained(self) -> bool:
        """Whether a trained head decides, not one computed from the gallery."""
        return self._trained is not None

    @property
    def safe_margin(self) -> float:
        """Difference of the two best probabilities below which another label may win by rounding."""
        return max(SAFE_MARGIN, 0.0 if self._trained is None else self._trained.safe_margin)

    @property
    def p_rule(self) -> str:
        """How p-values come about: `conformal`, `student-t` or `none`."""
        return self._rejection.rule

    @property
    def thresholds(self) -> dict[Disposition, float]:
        """The p-value at or below which a part is refused as unknown, by what the class it is nearest to is.

        This is what decides, and so what every report and command names: under an overkill budget parts near an ok
        class are refused by what classes leave of it, and not by `budget`.
        """
        found: dict[Disposition, float] = {}
        for is_ok in self._is_ok:
            found["ok" if is_ok else "defect"] = self._rejection_near(is_ok).budget
        return found

    def _rejection_near(self, is_ok: bool) -> Rejection:
        return self._of_ok if is_ok else self._rejection

    @property
    def overkill_left(self) -> float | None:
        """What classes leave of the overkill budget for refusing, by the ok rows left out; None without a budget.

        Negative where ok parts that look like a defect exceed it already: then nothing near an ok class is refused, and
        the budget is not kept.
        """
        return self._measured.overkill_left

    def _is_judged_defect(self, nearest: int, probabilities: list[float]) -> bool:
        """Whether a part is judged NG by its class, refused or not."""
        if self.settings.escape_cost is None:
            return not self._is_ok[nearest]
        return self._defect(probabilities) > 1 / (1 + self.settings.escape_cost)

    def _defect(self, probabilities: list[float]) -> float:
        """Probability of a defect, as if good parts and defects came equally often.

        Probabilities of classes take classes as equally likely: five kinds of defect beside one class of good parts
        would make nearly everything a defect.
        """
        goods = sum(self._is_ok)
        if goods in (0, len(self._is_ok)):
            return float(not goods)
        ok = sum(probability for probability, is_ok in zip(probabilities, self._is_ok, strict=True) if is_ok)
        defect = (sum(probabilities) - ok) / (len(self._is_ok) - goods)
        return defect / (defect + ok / goods)

    def decide_about(self, seen: Seen, part_id: str | None = None, camera: int | None = None) -> Decision:
        """Decide about one frame of this device: the one way from what is seen to a decision.

        One by one: what is decided must not depend, in its last bit, on what was asked beside it.

        Args:
            seen: the frame's embedding `[D]`, as the embedder gave it; or why the frame can't be judged.
            part_id: the caller's name for the part.
            camera: as for `Snapshot.seen`.
        """
        if isinstance(seen, str):
            return self.no_decision(seen, part_id)
        if not np.isfinite(seen).all():
            return self.no_decision(NO_NUMBER, part_id)
        return self.decide(self.snapshot.seen(seen[None], camera), [part_id])[0]

    def decide(self, vectors: NDArray[np.float32], part_ids: Sequence[str | None] | None = None) -> list[Decision]:
        """One decision for each row of `[N,D]`, as the gallery compares them (`Snapshot.seen`)."""
        answer = self._head.answer(vectors)
        rows = zip(answer.scores.tolist(), answer.strangeness.tolist(), part_ids or [None] * len(vectors), strict=True)
        time = _now()
        return [self._decision(scores, strangeness, part_id, time) for scores, strangeness, part_id in rows]

    def strangeness(self, vectors: NDArray[np.float32]) -> NDArray[np.float64]:
        """How strange rows `[N,D]` look to all classes, `[N]`: what p-values are read from; larger is stranger."""
        return self._rejection.strangeness(self._head.answer(vectors))

    def no_decision(self, reason: str, part_id: str | None = None) -> Decision:
        """The answer for a frame that can't be judged."""
        return Decision(
            verdict="NO_DECISION",
            label=None,
            nearest=None,
            disposition=None,
            score=None,
            probability=None,
            p_value=None,
            strangeness=None,
            p_rule=self.p_rule,
            margin=None,
            ranking=(),
            regions=(),
            reason=reason,
            part_id=part_id,
            bundle=self._bundle,
            gallery=self.snapshot.sequence,
            time=_now(),
        )

    def _decision(self, scores: list[float], strangeness: float, part_id: str | None, time: str) -> Decision:
        """Decision about one row, in plain numbers: after an inference each call of numpy costs as much as all of this.

        Args:
            scores: of the classes.
            strangeness: the head's.
            part_id: the caller's name for the part.
            time: when.
        """
        labels, dispositions = self.snapshot.labels, self.snapshot.dispositions
        if not all(map(math.isfinite, (*scores, strangeness))):
            return self.no_decision(f"the {self.head} head computed NaN or infinity for this image", part_id)
        order = sorted(range(len(scores)), key=scores.__getitem__, reverse=True)[:_RANKED]
        best, probabilities = order[0], softmax(scores, self.temperature)
        rejection = self._rejection_near(self._is_ok[best])
        p_value = rejection.p_value(rejection.beside(strangeness, best))
        if not all(map(math.isfinite, probabilities)) or (rejection.rule != "none" and not math.isfinite(p_value)):
            return self.no_decision("the probability or p-value of this image is no finite number", part_id)
        refused = p_value <= rejection.budget  # NaN, without a rule, refuses nothing
        is_defect = self._is_judged_defect(best, probabilities)
        verdict: Verdict = "NG" if is_defect else "OK"
        reason = ""
        if refused:
            reason = f"unknown: p = {p_value:.2g} is within the budget of {rejection.budget:.2g}"
        elif is_defect == self._is_ok[best]:
            share, cost = self._defect(probabilities), self.settings.escape_cost
            reason = f"probability of a defect {share:.2g}, and an escape costs {cost:g} overkills"
        return Decision(
            verdict=self.settings.unknown if refused else verdict,
            label=None if refused else labels[best],
            nearest=labels[best],
            disposition=None if refused else dispositions[best],
            score=scores[best],
            probability=probabilities[best],
            p_value=None if rejection.rule == "none" else p_value,
            strangeness=self._rejection.beside(strangeness, best),
            p_rule=rejection.rule,
            margin=probabilities[best] - (probabilities[order[1]] if len(order) > 1 else 0.0),
            ranking=tuple((labels[place], probabilities[place]) for place in order),
            regions=(),
            reason=reason,
            part_id=part_id,
            bundle=self._bundle,
            gallery=self.snapshot.sequence,
            time=time,
        )


def budget_in_words(settings: DecisionSettings) -> str:
    """What the refusal of unknowns may cost, as it was asked for; `said_thresholds` tells what came of it."""
    share = f"{100 * settings.budget:g} % of known parts"
    return share if settings.overkill is None else f"{share}; near good parts, what --overkill leaves"


def said_thresholds(thresholds: Mapping[Disposition, float]) -> str:
    """Where a part is refused as unknown, in a sentence; see `Judge.thresholds`."""
    different = sorted({f"{threshold:.2g}" for threshold in thresholds.values()})
    if len(different) == 1:
        return f"A part is refused as unknown where p is at most {different[0]}."
    return (
        f"A part is refused as unknown where p is at most {thresholds['ok']:.2g} and it is nearest to a class of good "
        f"parts, or at most {thresholds['defect']:.2g} and nearest to a defect."
    )


def measure(
    head: Head, snapshot: Snapshot, settings: DecisionSettings, is_ok: Sequence[bool], is_defect: IsDefect
) -> Measured:
    """Measure a head by its own gallery.

    Args:
        head: of the gallery, not a trained one.
        snapshot: the gallery.
        settings: of the bundle.
        is_ok: of each class, whether its parts are good.
        is_defect: whether a part is judged NG by its class, refused or not.
    """
    left_out = _of_images(head.left_out(), snapshot)
    temperature = fit_temperature(left_out, left_out.of(snapshot.classes), head.default_temperature)
    if settings.correction is not None:
        temperature *= settings.correction.temperature_of(snapshot)
        left_out = settings.correction.corrected(left_out, snapshot)
    images = None if left_out.rows is None else np.bincount(snapshot.classes, minlength=len(snapshot.labels))
    rejection = fit_rejection(left_out, left_out.of(snapshot.classes), settings.budget, images)
    if settings.overkill is None:
        return Measured(temperature, rejection, rejection, None)
    classes = left_out.of(snapshot.classes)
    ok = np.array(is_ok)[classes] & np.isfinite(left_out.strangeness)
    spoiled = np.zeros(len(ok), bool)
    spoiled[ok] = [
        is_defect(scores.index(max(scores)), softmax(scores, temperature)) for scores in left_out.scores[ok].tolist()
    ]
    overkill_left = float(settings.overkill) - float(spoiled[ok].mean() if ok.any() else 0.0)
    rows = ok & ~spoiled
    reference = LeftOutScores(left_out.scores[rows], left_out.strangeness[rows])
    return Measured(
        temperature, rejection, fit_rejection(reference, classes[rows], max(0.0, overkill_left), images), overkill_left
    )


def _of_images(left_out: LeftOutScores, snapshot: Snapshot) -> LeftOutScores:
    """Leave out rows that are means: a mean looks less strange than any image of its class."""
    if not snapshot.means:
        return left_out
    means = np.flatnonzero(np.isin(left_out.of(snapshot.parts), snapshot.means))
    scores, strangeness = left_out.scores.copy(), left_out.strangeness.copy()
    scores[means, left_out.of(snapshot.classes)[means]], strangeness[means] = -np.inf, np.nan
    return LeftOutScores(scores, strangeness, left_out.rows)


def _now() -> str:
    seconds, milliseconds = divmod(time_ns() // 1_000_000, 1000)
    return f"{_to_the_second(seconds)}.{milliseconds:03}+00:00"


@lru_cache(maxsize=1)
def _to_the_second(seconds: int) -> str:
    return strftime("%Y-%m-%dT%H:%M:%S", gmtime(seconds))
