"""The support, left out, chooses in which symmetries an image that teaches is seen as well."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from edgefs.embedding.enrolments import Embedded, Vectors, snapshot_of
from edgefs.evaluation.paired import clearly_best
from edgefs.methods.choosing import choosing_support, left_out_shares
from edgefs.methods.task import Task
from edgefs_runtime.images.preprocess import SYMMETRIES

_MOST_ROWS = 4000  # embeddings in a gallery; with more images, views are worth less than what they cost
# Standard errors, for fewer views. On steel and magnetic tile, which views serve, 1 of 80 draws of 2 to 20 shots had
# more than 0.5; on digits, which they ruin, 29 of 30 draws of 5 to 20.
_TOLD_BETTER = 0.5


@dataclass(frozen=True)
class Views:
    """The support in every symmetry that may be chosen.

    Attributes:
        symmetries: their names.
        asked: `[D]` of every image.
        others: `[V·D]` of each image of the support, one for each name.
    """

    symmetries: tuple[str, ...]
    asked: Vectors
    others: Vectors

    def of(self, chosen: tuple[str, ...]) -> Embedded:
        """Images as they are embedded with some of the symmetries."""
        if not chosen:
            return Embedded(self.asked, self.asked)
        kept = [self.symmetries.index(name) for name in chosen]
        rows = {digest: other.reshape(len(self.symmetries), -1)[kept].ravel() for digest, other in self.others.items()}
        taught = {digest: np.concatenate([self.asked[digest], row]) for digest, row in rows.items()}
        return Embedded(self.asked, taught, 1 + len(chosen))


def symmetries_to_choose_from(task: Task) -> list[tuple[str, ...]]:
    """What was asked for, or what the input's shape allows and the gallery can hold, the largest set first."""
    if task.symmetries is not None:
        return [task.symmetries]
    height, width = task.preprocess.size
    every = tuple(name for name in SYMMETRIES if name)
    sets = [every, ("h", "v", "hv"), ()] if height == width else [("h", "v", "hv"), ()]
    return [one for one in sets if not one or len(task.split.train) * (1 + len(one)) <= _MOST_ROWS]


def choose_symmetries(task: Task, choices: list[tuple[str, ...]], views: Views) -> tuple[tuple[str, ...], str]:
    """Choose in which symmetries an image that teaches is seen as well, and say why in a sentence.

    All of them make one image worth more, unless a turned part is of another class: then they ruin everything, and the
    support, left out, shows it.
    """
    support = choosing_support(task, of_some_classes=True)
    trials, progress = [], task.steps("choose views")
    tried = choices if len(task.dispositions) > 1 else choices[:1]
    for symmetries in tried:
        snapshot = snapshot_of(support, views.of(symmetries), task.dispositions)
        trials.append(left_out_shares(snapshot))
        progress(len(trials), len(tried))
    best = clearly_best(trials, _TOLD_BETTER)
    sentence = f"Views of an image that teaches: {1 + len(choices[best])}"
    if task.symmetries is not None:
        return choices[best], f"{sentence}, as asked for."
    if not choices[0]:
        return (), f"{sentence}: with {len(task.split.train):,} images, more are worth less than they cost."
    if best == 0:
        return choices[best], f"{sentence}; --symmetry none if a turned or mirrored part is of another class."
    more, fewer = (f"{100 * trials[number].sum():.1f} %" for number in (0, best))
    why = f"with {1 + len(choices[0])}, {more} of the support are told rightly, so {fewer}"
    return choices[best], f"{sentence}: {why}."
