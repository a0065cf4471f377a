"""Where each image of a dataset stands, before it becomes a `Split`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

from edgefs.data.samples import Sample
from edgefs.data.splits.parts import Part, find_parts
from edgefs_runtime.base.errors import DataError
from edgefs_runtime.base.labels import difference_in_words, twin_of
from edgefs_runtime.base.wording import counted

Protocol = Literal["shots", "holdout", "given", "cross-validation"]
NO_TEST = "There is no independent test set"

_HELD_OUT_FIRST = ("test", "val", "train")


@dataclass(frozen=True)
class Split:
    """What is learned from, what choices are made on, and what is tested on.

    Attributes:
        train: the support; with protocol `cross-validation`, everything.
        validation: empty when choices are made by cross-validation inside `train`.
        test: empty when there is no independent test set.
        protocol: `shots` (K of each class are the whole label budget), `holdout` (we put images aside), `given` (the
            data came divided) or `cross-validation` (too few images to put any aside).
        notes: what was done and why, one plain sentence each.
        blank_validation: images that show nothing and would validate: no choice is made on them, and each has no
            decision.
        blank_test: the same of the test.
        blank_train: those that would have taught, and stand nowhere.
    """

    train: tuple[Sample, ...]
    validation: tuple[Sample, ...]
    test: tuple[Sample, ...]
    protocol: Protocol
    notes: tuple[str, ...]
    blank_validation: tuple[Sample, ...] = ()
    blank_test: tuple[Sample, ...] = ()
    blank_train: tuple[Sample, ...] = ()


@dataclass
class Sides:
    """The side of each sample (`train`, `val`, `test`, or empty for unused) while a split is being made."""

    samples: Sequence[Sample]
    of: list[str]
    notes: list[str] = field(default_factory=list)

    def positions(self, side: str) -> list[int]:
        """Positions of the samples on `side`."""
        return [position for position, name in enumerate(self.of) if name == side]

    def labels(self, side: str) -> list[str]:
        """Classes with an image on `side`, sorted."""
        return sorted({self.samples[position].label for position in self.positions(side)})

    def put(self, positions: Sequence[int], side: str) -> None:
        """Move samples to `side`."""
        for position in positions:
            self.of[position] = side

    def keep_parts_together(self) -> None:
        """Where a part stands on several sides, keep its most held-out side and use its other images nowhere."""
        torn = [part for part in find_parts(self.samples) if len(self._sides_of(part)) > 1]
        dropped = 0
        for part in torn:
            kept = self._sides_of(part)[0]
            others = [position for position in part.members if self.of[position] not in (kept, "")]
            self.put(others, "")
            dropped += len(others)
        if torn:
            self.notes.append(
                f"{counted(len(torn), 'part')} (a group, or copies of one file) stood on two sides of the split; "
                f"{counted(dropped, 'image')} of theirs left unused, so that nothing is tested on what was learned."
            )

    def finish(self, protocol: Protocol) -> Split:
        """The split, once every image has its side.

        Raises:
            DataError: nothing is left to learn from, or a class is only tested or validated on.
        """
        train, validation, test = (
            tuple(self.samples[position] for position in self.positions(side)) for side in ("train", "val", "test")
        )
        _check_learnable(train, (*validation, *test))
        return Split(train, validation, test, protocol, (*self.notes, *_copies(self.samples), *_untested(train, test)))

    def _sides_of(self, part: Part) -> list[str]:
        present = {self.of[position] for position in part.members}
        return [side for side in _HELD_OUT_FIRST if side in present]


def _check_learnable(train: Sequence[Sample], held_out: Sequence[Sample]) -> None:
    learned = {sample.label for sample in train}
    for label in sorted({sample.label for sample in held_out} - learned):
        number = sum(sample.label == label for sample in held_out)
        twin = twin_of(label, learned)
        twins = (
            f" ({label} and {twin}, of which there are some, differ {difference_in_words(label, twin)} only)"
            if twin
            else ""
        )
        raise DataError(
            f"class {label!r} has {counted(number, 'image')} to validate or test on and none to learn from{twins}; "
            "move some of its parts to train, or remove the class"
        )
    if not learned:
        raise DataError("no class has an image to learn from")


def _copies(samples: Sequence[Sample]) -> list[str]:
    surplus = len(samples) - len({sample.digest for sample in samples})
    return [f"Exact copies of other files: {counted(surplus, 'image')}; copies stay on one side."] if surplus else []


def _untested(train: Sequence[Sample], test: Sequence[Sample]) -> list[str]:
    missing = sorted({sample.label for sample in train} - {sample.label for sample in test})
    return [f"No image tests the classes {', '.join(missing)}."] if test and missing else []
