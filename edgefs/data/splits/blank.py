"""Where images that show nothing stand in a split: what the device can't decide about must not be measured away.

Nothing is learned from a black frame, so none stands in `train`. But the line will see black frames, and gives them no
decision; a table that leaves them out promises more than the device keeps. So they are counted where they would have
tested.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Sequence

from edgefs.data.samples import Sample
from edgefs.data.splits.parts import draw_key
from edgefs.data.splits.sides import Split

_LEARNED, _VALIDATING = 0.6, 0.8  # shares of a drawn number, as `split_dataset` divides what came undivided


def with_blank(split: Split, blank: Sequence[Sample], seed: int, strangers: Collection[str] = ()) -> Split:
    """The split with each blank image on the side it would have come to; those that would have taught stand nowhere.

    As the data says where it came divided; with the other images of its part; with shots, in the test, since those that
    are no shots test; else by the seed, in the shares of the others. `strangers` are classes that only test.
    """
    if split.protocol == "cross-validation":  # nothing is put aside
        return split
    sides = ["test" if sample.label in strangers else _side(sample, split, seed) for sample in blank]
    train, validation, test = (
        tuple(sample for sample, own in zip(blank, sides, strict=True) if own == side)
        for side in ("train", "val", "test")
    )
    return dataclasses.replace(split, blank_train=train, blank_validation=validation, blank_test=test)


def _side(sample: Sample, split: Split, seed: int) -> str:
    if sample.split:
        return sample.split
    for side, own in (("train", split.train), ("val", split.validation), ("test", split.test)):
        if sample.group and any(other.group == sample.group for other in own):
            return side
    if split.protocol == "shots":
        return "test"
    share = int.from_bytes(draw_key(seed, "blank", sample.group or sample.digest)[:4], "big") / 2**32
    return "train" if share < _LEARNED else "val" if share < _VALIDATING else "test"
