"""What is brought to another precision, and how."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from edgefs.data import Sample
from edgefs.pipelines.export.precision.trials import Precision
from edgefs_export.quantising import Isa, Target
from edgefs_runtime.base.processor import this_processor
from edgefs_runtime.decision.decision import Disposition
from edgefs_runtime.decision.heads import TrainedHeadModel
from edgefs_runtime.decision.judge import DecisionSettings
from edgefs_runtime.images.preprocess import Preprocess


@dataclass(frozen=True)
class DeploySettings:
    """How a network is deployed.

    Attributes:
        precision: `auto` takes the fastest on this machine that passes the gate.
        target: what will run it.
        isa: what an x86 processor can do.
        max_drop: points of few-shot accuracy, and of the AUROC of unknowns, that may be lost.
        calibration: folder of images for the ranges; None takes those that taught.
        images: at most so many of them.
        select: how they are chosen.
        estimator: of ranges; `auto` takes the one that leaves least noise.
    """

    precision: Precision | Literal["auto"] = "fp32"
    target: Target = "cpu"
    isa: Isa = "vnni"
    max_drop: float = 0.5
    calibration: Path | None = None
    images: int = 128
    select: Literal["balanced", "k-center"] = "balanced"
    estimator: str = "auto"

    @property
    def is_cut_off_here(self) -> bool:
        """Whether an int8 file for VNNI is to be measured on an x86 processor without it, which computes it wrongly."""
        return self.target == "cpu" and self.isa == "vnni" and this_processor().has_vnni is False


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
