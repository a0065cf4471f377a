"""The choice of a precision: candidates are made, played through the gate, and one is taken.

Ranges come from the images that taught, or from a folder of others; every candidate is played through the gate on
images that neither taught nor calibrated. Where int8 falls short, a contiguous segment of the network stays in float32,
wider each time, until the gate passes. Where nothing passes, nothing is written.
"""

from __future__ import annotations

from edgefs.pipelines.export.precision.subject import FloatModel
from edgefs.pipelines.export.precision.trials import Deployed, GateError
from edgefs.pipelines.export.precision.workshop import Workshop
from edgefs.progress import Steps
from edgefs.settings.deploy import DeploySettings


def deploy(subject: FloatModel, settings: DeploySettings, *, use_cache: bool, steps: Steps) -> Deployed:
    """Make the file for the device.

    Raises:
        GateError: nothing passes.
        ExportError: the network can't be quantised.
        DataError: the calibration images can't be used, or the images are too few to measure on.
    """
    if settings.precision == "fp32":
        return Deployed(subject.model, subject.gallery_model, {"precision": "fp32"})
    workshop = Workshop(subject, settings, use_cache, steps)
    if settings.precision == "fp16":
        workshop.try_fp16()
    else:
        workshop.try_int8()
    if settings.precision == "auto":
        return _fastest(workshop)
    passed = [trial for trial in workshop.trials if trial.gate.passes]
    if not passed:
        last = workshop.trials[-1]
        raise GateError(
            f"{settings.precision} loses too much: {'; '.join(last.gate.reasons)}; nothing was written; "
            f"{_instead(settings)}, more --calibration images, or a larger --max-drop",
            workshop.trials,
        )
    return workshop.deployed(passed[-1])


def _instead(settings: DeploySettings) -> str:
    """The first thing to try where a precision loses too much."""
    if settings.precision == "int8" and settings.is_cut_off_here:
        return "this processor has no VNNI and cuts sums off: try --isa avx2 where devices have none either, or"
    return "try --precision auto"


def _fastest(workshop: Workshop) -> Deployed:
    """Fastest of what passes; for another machine, whose speed can't be measured here, int8 before float16."""
    if workshop.settings.target == "cpu" or not any(trial.gate.passes for trial in workshop.trials):
        workshop.try_fp16()
    passed = [trial for trial in workshop.trials if trial.gate.passes]
    worth = [trial for trial in passed if not trial.is_slow]
    if worth:
        return workshop.deployed(max(worth, key=lambda trial: trial.speed or 0.0))
    why = "no other precision is faster on this machine" if passed else "no other precision passes the gate"
    return Deployed(
        workshop.subject.model,
        workshop.subject.gallery_model,
        {"precision": "fp32"},
        trials=tuple(workshop.trials),
        notes=(f"float32 was chosen: {why}.",),
    )
