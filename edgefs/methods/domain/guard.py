"""Whether the adapted model may be shipped in the place of the one that learned from the source alone.

Adaptation can make a model worse, and sure of it: with no label of the target nothing in the training tells. So the
adapted model must show three things, or the un-adapted one is kept:

1. its answers on the target use the classes, and its embeddings fill some directions (no collapse);
2. its answers on the target teach a fresh network nearly what the source's own labels do (`_RECOVERED`): a source that
   has nothing to do with the target fails here, whatever the adapted model believes;
3. its answers tell more of the class than the un-adapted model's, in nats: they are surer, and use the classes as
   evenly (mutual information, Bridle et al. 1991; among the validators that Musgrave et al. 2022, arXiv:2208.07360,
   compare).

The un-adapted model's answers are not asked to teach: the errors of a model that is right three times in four average
out, so that they teach the source as well as better ones do.
"""

from __future__ import annotations

from dataclasses import dataclass

from edgefs.methods.domain.validators import Spread

_RECOVERED = 0.75  # of the way from chance to what the source's own labels give on images of it that were held out
_LEARNED = 0.3  # of the way from chance to certainty: below it the source's labels say nothing of its images
_USED = 0.5  # of the classes
_LEAST_RANK = 0.25  # of the C - 1 directions that C classes span


@dataclass(frozen=True)
class Adaptation:
    """One of the two models.

    Attributes:
        spread: of its answers on the target.
        reverse: accuracy on the source of what its answers taught; None where it need not be known.
    """

    spread: Spread
    reverse: float | None = None


@dataclass(frozen=True)
class Verdict:
    """What is shipped, and why, in a sentence."""

    adapted: bool
    reason: str
    collapsed: bool = False


def collapse_of(spread: Spread, plain: Spread, classes: int) -> str:
    """What has collapsed, in words; empty where nothing has. `plain` is the un-adapted model's."""
    if spread.used < _USED * min(classes, plain.used):
        return f"its answers on the target use {spread.used:.1f} of {classes} classes"
    if spread.rank < 1 + _LEAST_RANK * (classes - 1) and spread.rank < plain.rank:
        return f"its embeddings of the target fill {spread.rank:.1f} directions, for {classes} classes"
    return ""


def judge(adapted: Adaptation, plain: Adaptation, source_accuracy: float | None, classes: int) -> Verdict:
    """Compare both by what needs no label of the target.

    Args:
        adapted: what the joint training made.
        plain: what the source alone made.
        source_accuracy: of `plain` on images of the source that were held out.
        classes: C.
    """
    if collapsed := collapse_of(adapted.spread, plain.spread, classes):
        return Verdict(False, f"adaptation collapsed: {collapsed}", collapsed=True)
    if source_accuracy is None or adapted.reverse is None:
        return Verdict(True, "no image of the source could be held out to check by")
    chance = 1 / classes
    if source_accuracy < chance + _LEARNED * (1 - chance):
        return Verdict(False, f"the source's own classes were not learned ({100 * source_accuracy:.1f} % of it right)")
    wanted = chance + _RECOVERED * (source_accuracy - chance)
    what = f"its answers on the target teach a fresh network {100 * adapted.reverse:.1f} % of the source"
    if adapted.reverse < wanted:
        return Verdict(
            False, f"{what}, at least {100 * wanted:.1f} % were wanted: the source says little of the target"
        )
    told = f"an answer tells {adapted.spread.information:.2f} nats of the class, {plain.spread.information:.2f} before"
    return Verdict(adapted.spread.information > plain.spread.information, f"{what}; {told}")
