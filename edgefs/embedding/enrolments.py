"""Enrolments, which a gallery is made of, are built from samples and their embeddings."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgefs.data import Sample
from edgefs_runtime.decision.decision import Decision, Disposition
from edgefs_runtime.decision.judge import Judge
from edgefs_runtime.decision.snapshot import Enrolment, Snapshot, build_snapshot

Vectors = Mapping[str, NDArray[np.float32]]  # by content digest


@dataclass(frozen=True)
class Embedded:
    """Images as a gallery and a question see them.

    Attributes:
        asked: `[D]` of each image.
        taught: `[V·D]` of each image that may teach: itself and its other views, end to end.
        views: V.
    """

    asked: Vectors
    taught: Vectors
    views: int = 1

    @classmethod
    def of_views(cls, taught: Vectors, views: int) -> Embedded:
        """Embeddings by the first of all views of each image, which teach together."""
        return cls({digest: row[: len(row) // views] for digest, row in taught.items()}, taught, views)


def enrolments_of(
    samples: Sequence[Sample],
    embedded: Embedded,
    dispositions: Mapping[str, Disposition],
    pictures: Mapping[str, bytes] = {},
) -> list[Enrolment]:
    """One enrolment for each class, classes in order, images in the order given."""
    by_label: dict[str, list[Sample]] = defaultdict(list)
    for sample in samples:
        by_label[sample.label].append(sample)
    return [
        Enrolment(
            label=label,
            disposition=dispositions[label],
            vectors=np.stack([embedded.taught[sample.digest] for sample in own]),
            digests=tuple(sample.digest for sample in own),
            groups=tuple(sample.group for sample in own),
            thumbnails=tuple(pictures.get(sample.digest, b"") for sample in own),
        )
        for label, own in sorted(by_label.items())
    ]


def snapshot_of(samples: Sequence[Sample], embedded: Embedded, dispositions: Mapping[str, Disposition]) -> Snapshot:
    """The gallery that these samples make."""
    return build_snapshot(enrolments_of(samples, embedded, dispositions), 0, embedded.views)


def decisions_of(samples: Sequence[Sample], embedded: Embedded, judge: Judge) -> list[Decision]:
    """What a device would answer to each image: none is decided about one that shows nothing."""
    return [judge.decide_about(sample.blank or embedded.asked[sample.digest]) for sample in samples]


def rows_of(samples: Sequence[Sample], embedded: Embedded) -> NDArray[np.float32]:
    """Embeddings `[N,D]` in the order of the samples."""
    return np.stack([embedded.asked[sample.digest] for sample in samples])
