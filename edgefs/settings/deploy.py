"""What `export` can be told of the precision that a device gets."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from edgefs.settings.choices import RANGE_ESTIMATORS
from edgefs.settings.setting import setting
from edgefs_runtime.base.processor import this_processor

PRECISION = "Precision"


@dataclass(frozen=True)
class DeploySettings:
    """How a network is deployed; each field says what it means for `edgefs export --help` as well."""

    precision: Literal["fp32", "fp16", "int8", "auto"] = setting(
        "fp32",
        "The precision of the network; auto takes the fastest here that loses no more than --max-drop.",
        PRECISION,
    )
    target: Literal["cpu", "arm", "tensorrt"] = setting(
        "cpu",
        "What will run an int8 file: an x86 or an Arm processor, or TensorRT (jetson is the same).",
        PRECISION,
        named={"cpu": "cpu", "arm": "arm", "tensorrt": "tensorrt", "jetson": "tensorrt"},
    )
    isa: Literal["vnni", "avx2"] = setting(
        "vnni", "What the x86 processor can do; avx2 for one without VNNI (before about 2019).", PRECISION
    )
    max_drop: float = setting(
        0.5,
        "How many points of few-shot accuracy, and of the AUROC of unknowns, may be lost with 95 % confidence.",
        PRECISION,
        above=0,
        most=100,
        metavar="POINTS",
    )
    calibration: Path | None = setting(
        None, "Images that int8 ranges are measured on.", PRECISION, shown="those that taught", metavar="DIR"
    )
    images: int = setting(
        128, "The most images that int8 ranges are measured on.", PRECISION, least=8, option="calibration-images"
    )
    select: Literal["balanced", "k-center"] = setting(
        "balanced",
        "How those images are chosen: evenly over classes and parts, or those that differ most.",
        PRECISION,
        option="calibration-select",
    )
    estimator: str = setting(
        "auto",
        "How int8 ranges are estimated; auto takes what leaves least noise in the calibration images.",
        PRECISION,
        named={name: name for name in ("auto", *RANGE_ESTIMATORS)},
        option="ranges",
    )

    @property
    def is_cut_off_here(self) -> bool:
        """Whether an int8 file for VNNI is to be measured on an x86 processor without it, which computes it wrongly."""
        return self.target == "cpu" and self.isa == "vnni" and this_processor().has_vnni is False
