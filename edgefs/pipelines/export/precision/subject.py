"""What is brought to another precision."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from edgefs.data import Sample
from edgefs_runtime.decision.decision import Disposition
from edgefs_runtime.decision.heads import TrainedHeadModel
from edgefs_runtime.decision.settings import DecisionSettings
from edgefs_runtime.images.preprocess import Preprocess


@dataclass(frozen=True)
class FloatModel:
    """A float32 network, and what it is measured on.

    Attributes:
        model: ONNX.
        gallery_model: that embeds what taught, where it is not the same network.
        preprocess: from file to network input.
        decision: head and budget of the gallery.
        head: that was trained on the images that taught, where there is one.
        dispositions: of the gallery's classes.
        train: images that taught.
        test: images that did not.
        shots: of each class, where the RUN was asked for so many.
    """

    model: bytes
    gallery_model: bytes | None
    preprocess: Preprocess
    decision: DecisionSettings
    head: TrainedHeadModel | None
    dispositions: Mapping[str, Disposition]
    train: Sequence[Sample]
    test: Sequence[Sample]
    shots: int | None
