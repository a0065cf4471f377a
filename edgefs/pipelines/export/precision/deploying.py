"""Makes candidates, plays them through the gate, and takes one.

Ranges come from the images that taught, or from a folder of others; every candidate is played through the gate on
images that neither taught nor calibrated. Where int8 falls short, a contiguous segment of the network stays in float32,
wider each time, until the gate passes. Where nothing passes, nothing is written.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from edgefs.data import Sample
from edgefs.embedding.cache import EmbeddingCache, cache_folder, cache_path
from edgefs.embedding.enrolments import Embedded, rows_of, snapshot_of
from edgefs.embedding.torch_embedder import OneByOne, embed_samples
from edgefs.pipelines.export.precision.gate import GatePlan, flips_of, measure_gate
from edgefs.pipelines.export.precision.pictures import of_folder, of_samples
from edgefs.pipelines.export.precision.quantiser import Quantiser
from edgefs.pipelines.export.precision.trials import Deployed, GateError, Precision, Trial
from edgefs.progress import Steps
from edgefs.runs.versions import versions
from edgefs_calibration.statistics.flips import Flips
from edgefs_export.quantising import Isa, Target, check_tensorrt, cosine, interleaved, sqnr, to_fp16
from edgefs_runtime.base.errors import ExportError
from edgefs_runtime.base.processor import this_processor
from edgefs_runtime.bundle.identity import space_id
from edgefs_runtime.decision.decision import Disposition
from edgefs_runtime.decision.heads import TrainedHead, TrainedHeadModel
from edgefs_runtime.decision.judge import DecisionSettings, Judge
from edgefs_runtime.embedders.onnx import OnnxEmbedder
from edgefs_runtime.images.preprocess import Preprocess

_ROUNDS = 40  # of timing


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


def deploy(subject: FloatModel, settings: DeploySettings, *, use_cache: bool, steps: Steps) -> Deployed:
    """Make the file for the device.

    Raises:
        GateError: nothing passes.
        ExportError: the network can't be quantised.
        DataError: the calibration images can't be used, or the images are too few to measure on.
    """
    if settings.precision == "fp32":
        return Deployed(subject.model, subject.gallery_model, {"precision": "fp32"})
    workshop = _Workshop(subject, settings, use_cache, steps)
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


def _fastest(workshop: _Workshop) -> Deployed:
    """Of what passes; made for another machine, where speed can't be measured, int8 before float16."""
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


class _Workshop:
    """Makes candidates and measures them; what they share is computed once."""

    def __init__(self, subject: FloatModel, settings: DeploySettings, use_cache: bool, steps: Steps) -> None:
        self.subject, self.settings = subject, settings
        self._use_cache, self._steps = use_cache, steps
        self.trials: list[Trial] = []
        self._made: dict[str, tuple[bytes, bytes | None]] = {}
        self._plan = GatePlan.of(subject.train, subject.test, subject.dispositions, subject.shots)
        self._tested = [sample for sample in subject.test if sample.label in subject.dispositions]
        self._reference = self._embed(subject.model, "embed in float32")
        self._notes = [] if self._plan.held_out else [_NOT_HELD_OUT]

    def try_fp16(self) -> None:
        """One candidate."""
        gallery = self.subject.gallery_model
        self._try("fp16", to_fp16(self.subject.model), to_fp16(gallery) if gallery else None)

    def try_int8(self) -> None:
        """Candidates with more and more in float32, until one passes."""
        pictures = self._pictures()
        network = self._quantiser(self.subject.model, pictures)
        gallery = self.subject.gallery_model
        of_gallery = self._quantiser(gallery, pictures) if gallery else None
        self._notes.append(network.told)
        if self.settings.is_cut_off_here:
            self._notes.append(_CUT_OFF)
        for window in network.windows():
            told = {"estimator": network.estimator, "in_float": window, "segments": len(network.segments)}
            self._try("int8", network.make(window), of_gallery.make(window) if of_gallery else None, told)
            if self.trials[-1].gate.passes:
                return

    def deployed(self, trial: Trial) -> Deployed:
        """What a trial was about."""
        model, gallery_model = self._made[trial.name]
        fields: dict[str, Any] = {"precision": trial.precision}
        if trial.precision == "int8":
            fields |= {"target": self.settings.target}
            if self.settings.target == "cpu":
                fields |= {"isa": self.settings.isa}
        notes = (*self._notes, trial.sentence)
        return Deployed(model, gallery_model, fields, trial, tuple(self.trials), notes)

    def _try(
        self, precision: Precision, model: bytes, gallery_model: bytes | None, told: Mapping[str, Any] | None = None
    ) -> None:
        """Measure a candidate; `told` are fields of its `Trial`."""
        if precision == "int8" and self.settings.target == "tensorrt" and (broken := check_tensorrt(model)):
            raise ExportError(f"the int8 file breaks TensorRT's rules: {broken[0]}")
        subject, found = self.subject, self._embed(model, f"embed in {precision}")
        progress = self._steps(f"put {precision} through the gate")
        gate = measure_gate(
            self._plan,
            self._reference,
            found,
            subject.dispositions,
            subject.decision,
            self.settings.max_drop / 100,
            shipped=self._by_the_trained_head(found),
        )
        before, after = (rows_of(self._plan.asked, side) for side in (self._reference, found))
        noise = sqnr(before, after), cosine(before, after)
        trial = Trial(precision, gate, *noise, len(model), self._speed(model), **(told or {}))
        self._made[trial.name] = (model, gallery_model)
        self.trials.append(trial)
        progress(1, 1)

    def _by_the_trained_head(self, found: Embedded) -> Flips | None:
        """Episodes teach other galleries, which a head that was trained once does not follow: it answers the test."""
        subject = self.subject
        if subject.head is None or not self._tested:
            return None
        decisions = []
        for embedded in (self._reference, found):
            snapshot = snapshot_of(subject.train, embedded, subject.dispositions)
            judge = Judge(snapshot, subject.decision, trained=TrainedHead(subject.head, snapshot))
            decisions.append(judge.decide(rows_of(self._tested, embedded)))
        return flips_of(self._tested, *decisions)

    def _speed(self, model: bytes) -> float | None:
        if self.settings.target != "cpu":
            return None
        height, width = self.subject.preprocess.size
        seconds = interleaved({"fp32": self.subject.model, "other": model}, (1, height, width, 3), _ROUNDS)
        return seconds["fp32"] / seconds["other"]

    def _embed(self, model: bytes, what: str) -> Embedded:
        """What the gate and the trained head ask for, as a device computes it."""
        subject, embedder = self.subject, OneByOne(OnnxEmbedder(model))
        space = space_id(hashlib.sha256(model).hexdigest(), subject.preprocess)
        cache = EmbeddingCache(cache_path("onnx", space, versions()["onnxruntime"]) if self._use_cache else None)
        teaching, asking = list(self._plan.teaching), list(self._plan.asked)
        if subject.head is not None:
            teaching, asking = [*teaching, *subject.train], [*asking, *self._tested]
        symmetries = ("", *subject.preprocess.symmetries)
        try:
            taught = embed_samples(teaching, embedder, subject.preprocess, cache, self._steps(what), symmetries)
            asked = embed_samples(asking, embedder, subject.preprocess, cache, self._steps(what))
        finally:
            cache.close()
        return Embedded({**Embedded.of_views(taught, len(symmetries)).asked, **asked}, taught, len(symmetries))

    def _quantiser(self, model: bytes, pictures: NDArray[np.uint8]) -> Quantiser:
        settings = self.settings
        tables = cache_folder() / "calibration" if self._use_cache else None
        progress = self._steps("estimate int8 ranges")
        made = Quantiser(
            model, pictures, estimator=settings.estimator, target=settings.target, isa=settings.isa, tables=tables
        )
        progress(1, 1)
        return made

    def _pictures(self) -> NDArray[np.uint8]:
        settings, subject = self.settings, self.subject
        common = (subject.preprocess, subject.model, settings.images, settings.select, self._steps("read for int8"))
        if settings.calibration is not None:
            return of_folder(settings.calibration, *common)
        return of_samples(subject.train, *common)


_CUT_OFF = (
    "This processor has no VNNI and cuts off sums that one with it holds: there int8 loses less than is measured here. "
    "For devices without VNNI export with --isa avx2."
)
_NOT_HELD_OUT = (
    "The images that did not teach are too few for episodes, so those that taught are among the questions of the gate."
)
