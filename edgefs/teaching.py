"""From samples and their embeddings to what a gallery is made of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from edgefs.data import Sample
from edgefs_runtime.decision import Disposition
from edgefs_runtime.snapshot import Enrolment, Snapshot, build_snapshot

Vectors = Mapping[str, NDArray[np.float32]]  # by content digest, [D] each


def enrolments_of(
    samples: Sequence[Sample],
    vectors: Vectors,
    dispositions: Mapping[str, Disposition],
    jpegs: Mapping[str, bytes] = {},
) -> list[Enrolment]:
    """One enrolment for each class, classes in order, images in the order given."""
    found = []
    for label in sorted({sample.label for sample in samples}):
        own = [sample for sample in samples if sample.label == label]
        found.append(
            Enrolment(
                label=label,
                disposition=dispositions[label],
                vectors=np.stack([vectors[sample.digest] for sample in own]),
                digests=tuple(sample.digest for sample in own),
                groups=tuple(sample.group for sample in own),
                thumbnails=tuple(jpegs.get(sample.digest, b"") for sample in own),
            )
        )
    return found


def snapshot_of(samples: Sequence[Sample], vectors: Vectors, dispositions: Mapping[str, Disposition]) -> Snapshot:
    """The gallery that these samples make."""
    return build_snapshot(enrolments_of(samples, vectors, dispositions), 0)


def rows_of(samples: Sequence[Sample], vectors: Vectors) -> NDArray[np.float32]:
    """Embeddings `[N,D]` in the order of the samples."""
    return np.stack([vectors[sample.digest] for sample in samples])
