"""Where candidates of another precision are made and measured, each against the same float32 network."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgefs.embedding.cache import EmbeddingCache, cache_folder, cache_path
from edgefs.embedding.enrolments import Embedded, rows_of, snapshot_of
from edgefs.embedding.torch_embedder import OneByOne, embed_samples
from edgefs.pipelines.export.precision.gate import flips_of, measure_gate
from edgefs.pipelines.export.precision.gate_plan import GatePlan
from edgefs.pipelines.export.precision.pictures import of_folder, of_samples
from edgefs.pipelines.export.precision.quantiser import Quantiser
from edgefs.pipelines.export.precision.subject import FloatModel
from edgefs.pipelines.export.precision.trials import Deployed, Precision, Trial
from edgefs.progress import Steps
from edgefs.runs.versions import versions
from edgefs.settings.deploy import DeploySettings
from edgefs_calibration.statistics.flips import Flips
from edgefs_export.quantising import check_tensorrt, cosine, interleaved, sqnr, to_fp16
from edgefs_runtime.base.errors import ExportError
from edgefs_runtime.bundle.identity import space_id
from edgefs_runtime.decision.heads import TrainedHead
from edgefs_runtime.decision.judge import Judge
from edgefs_runtime.embedders.onnx import OnnxEmbedder

_ROUNDS = 40  # of timing
_CUT_OFF = (
    "This processor has no VNNI and cuts off sums that one with it holds: there int8 loses less than is measured here. "
    "For devices without VNNI export with --isa avx2."
)
_NOT_HELD_OUT = (
    "The images that did not teach are too few for episodes, so those that taught are among the questions of the gate."
)


class Workshop:
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
        """Flips of a trained head on the test: it can't follow episodes, each of which teaches another gallery."""
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
