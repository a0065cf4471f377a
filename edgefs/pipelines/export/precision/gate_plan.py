"""The episodes that a change of precision is measured by: drawn once, played with both networks."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from edgefs.data import Sample
from edgefs.data.splits.parts import draw_key
from edgefs.evaluation.episodes import EpisodePlan, draw_episodes
from edgefs_runtime.base.errors import DataError
from edgefs_runtime.decision.decision import Disposition

_DECISIONS = 2000  # wanted
_QUERIES = 15  # of each class in an episode
_EPISODES = (20, 60)  # at least, at most
_OF_A_CLASS = 60  # images: what is embedded twice has a limit
_SHOTS = 5  # where the RUN learned from all images


@dataclass(frozen=True)
class GatePlan:
    """Episodes to be played twice.

    Attributes:
        shots: images of each class in the gallery.
        episodes: support, and questions of its classes and of strangers.
        held_out: whether nothing in them taught or calibrated.
    """

    shots: int
    episodes: tuple[tuple[tuple[Sample, ...], tuple[Sample, ...]], ...]
    held_out: bool

    @property
    def teaching(self) -> tuple[Sample, ...]:
        """Images that stand in a support."""
        return _distinct(sample for support, _ in self.episodes for sample in support)

    @property
    def asked(self) -> tuple[Sample, ...]:
        """Images that are asked about."""
        return _distinct(sample for _, queries in self.episodes for sample in queries)

    @classmethod
    def of(
        cls, train: Sequence[Sample], test: Sequence[Sample], known: Mapping[str, Disposition], shots: int | None
    ) -> GatePlan:
        """Draw them, always the same for the same images.

        Args:
            train: what taught.
            test: what did not; where it is too small for episodes, all images are drawn from.
            known: classes of the gallery; other images of `test` are strangers.
            shots: that the gallery was made of; fewer are taken where the classes don't hold so many.

        Raises:
            DataError: not even all images together hold two parts of each class.
        """
        strangers = _some([sample for sample in test if sample.label not in known])
        own = [sample for sample in test if sample.label in known]
        for pool, held_out in ((own, True), ([*train, *own], False)):
            if {sample.label for sample in pool} != set(known):
                continue
            pool = _some(pool)
            for fewer in range(shots or _SHOTS, 0, -1):
                try:
                    return cls(fewer, _episodes(pool, strangers, fewer), held_out)
                except DataError:
                    continue
        raise DataError(
            "a change of precision is measured by episodes, and no class may have fewer than two parts for them; "
            "adapt with more images"
        )


def _episodes(
    pool: Sequence[Sample], strangers: Sequence[Sample], shots: int
) -> tuple[tuple[tuple[Sample, ...], tuple[Sample, ...]], ...]:
    least, most = _EPISODES
    first = next(draw_episodes(pool, EpisodePlan(shots, queries=_QUERIES, episodes=1)))
    count = min(most, max(least, math.ceil(_DECISIONS / len(first[1]))))
    drawn = draw_episodes(pool, EpisodePlan(shots, queries=_QUERIES, episodes=count))
    return tuple((tuple(support), (*queries, *strangers)) for support, queries in drawn)


def _some(samples: Sequence[Sample]) -> list[Sample]:
    """No more samples of a class than need be embedded."""
    kept: list[Sample] = []
    for label in sorted({sample.label for sample in samples}):
        own = [sample for sample in samples if sample.label == label]
        kept += sorted(own, key=lambda sample: draw_key(0, "gate", sample.digest))[:_OF_A_CLASS]
    return kept


def _distinct(samples: Iterable[Sample]) -> tuple[Sample, ...]:
    return tuple({sample.digest: sample for sample in samples}.values())
