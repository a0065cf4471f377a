"""How strange the target's parts look beside a gallery that is not quite theirs.

The gallery is the source's, or the few labelled images that the network was tuned on; left out, its rows say nothing of
what is usual on the target, and thresholds read off them refuse a good part of it. Images of the target that were kept
out of the training do say it: they need no label for it, since nearly all of them are of known classes. What they can't
tell is how often an answer is right, so the temperature stays.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from edgefs.data import Sample
from edgefs.embedding.cache import EmbeddingCache
from edgefs.embedding.enrolments import Embedded, snapshot_of
from edgefs.embedding.network import EmbeddingNetwork
from edgefs.embedding.torch_embedder import TorchEmbedder, embed_samples
from edgefs.methods.task import Task
from edgefs_calibration.statistics.correction import fit_correction
from edgefs_runtime.base.wording import counted
from edgefs_runtime.decision.correction import Correction
from edgefs_runtime.decision.heads import LeftOutScores, fit_head

FEWEST = 20  # images of the target; fewer say little of their strange half


def correction_by_target(
    task: Task, network: EmbeddingNetwork, embedded: Embedded, target: Sequence[Sample]
) -> tuple[Correction | None, str]:
    """What the gallery's left-out rows are corrected by, and a sentence on it.

    Args:
        task: whose support is the gallery.
        network: the one that questions go through.
        embedded: the gallery, as it ships.
        target: images of the target that were not learned from; their labels are not looked at.
    """
    if len(target) < FEWEST:
        return None, (
            f"Thresholds rest on the gallery alone: {counted(len(target), 'target image')} could be kept out of the "
            "training, and parts of the target may be refused more often than the budget says."
        )
    embedder, nothing = TorchEmbedder(network, task.device), EmbeddingCache(None)
    found = embed_samples(target, embedder, task.preprocess, nothing, task.steps("embed target"))
    snapshot = snapshot_of(task.split.train, embedded, task.dispositions)
    head = fit_head(task.decision.head, snapshot)
    answer = head.answer(np.stack([found[sample.digest] for sample in target]))
    left_out = head.left_out()
    correction = fit_correction(
        left_out,
        left_out.of(snapshot.classes),
        LeftOutScores(answer.scores, answer.strangeness),
        answer.scores.argmax(axis=1),
        snapshot.labels,
        default_temperature=head.default_temperature,
    )
    return correction, f"Thresholds: by {counted(len(target), 'target image')} without a label, not learned from."
