"""Which file a device gets: float32, or float16 or int8 where these lose nothing that matters.

Ranges come from the images that taught (or from a folder of others); every candidate is played through the gate on
images that neither taught nor calibrated. Where int8 falls short, a contiguous segment of the network stays in float32,
wider each time, until the gate passes. Which one, and which estimator of ranges, the noise in embeddings of the
calibration images tells. Where nothing passes, nothing is written.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from edgefs.adapting import versions
from edgefs.cache import EmbeddingCache, cache_folder, cache_path
from edgefs.calibrating import of_folder, of_samples
from edgefs.data import Sample
from edgefs.data.wording import counted
from edgefs.evaluation.gate import Gate, GatePlan, measure_gate
from edgefs.progress import Steps
from edgefs.teaching import Embedded
from edgefs.torch_embedder import OneByOne, embed_samples
from edgefs_calibration.ranges import RANGE_ESTIMATORS, Ranges
from edgefs_calibration.table import Moved, ranges_from_table
from edgefs_export.quantising import Isa, Target, check_tensorrt, cosine, interleaved, quantise, segments, sqnr, to_fp16
from edgefs_runtime.deciding import DecisionSettings
from edgefs_runtime.decision import Disposition
from edgefs_runtime.embedder import OnnxEmbedder, space_id
from edgefs_runtime.errors import ExportError
from edgefs_runtime.preprocess import Preprocess

Precision = Literal["fp32", "fp16", "int8"]

_PROBES = 24  # calibration images by which noise is compared
_WIDEST = 0.5  # of the segments; with more in float there is nothing left to gain
_ROUNDS = 40  # of timing
_FASTER = 1.02  # less is noise


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


@dataclass(frozen=True)
class Subject:
    """A float32 network, and what it is measured on.

    Attributes:
        model: ONNX.
        gallery_model: that embeds what taught, where it is not the same network.
        preprocess: from file to network input.
        decision: head and budget of the gallery.
        dispositions: of its classes.
        train: images that taught.
        test: images that did not.
        shots: of each class, where the RUN was asked for so many.
    """

    model: bytes
    gallery_model: bytes | None
    preprocess: Preprocess
    decision: DecisionSettings
    dispositions: dict[str, Disposition]
    train: Sequence[Sample]
    test: Sequence[Sample]
    shots: int | None


@dataclass(frozen=True)
class Trial:
    """A candidate and what was measured of it.

    Attributes:
        precision: of most of it.
        estimator: of ranges, for int8.
        in_float: positions of segments that stay in float32.
        segments: how many there are.
        gate: against float32.
        sqnr: of embeddings, dB.
        cosine: mean, of embeddings.
        size: bytes.
        speed: how many times as fast as float32 on this machine; None where it is made for another one.
    """

    precision: Precision
    estimator: str
    in_float: tuple[int, ...]
    segments: int
    gate: Gate
    sqnr: float
    cosine: float
    size: int
    speed: float | None

    def to_json(self) -> dict[str, Any]:
        """The figures as plain JSON values."""
        return {**vars(self), "in_float": list(self.in_float), "gate": self.gate.to_json()}

    @property
    def is_slow(self) -> bool:
        """Whether it was measured to be no faster than float32."""
        return self.speed is not None and self.speed <= _FASTER

    @property
    def name(self) -> str:
        """In words."""
        if self.precision != "int8":
            return self.precision
        if not self.in_float:
            return f"int8, {self.estimator}"
        first, last = self.in_float[0] + 1, self.in_float[-1] + 1
        which = f"segment {first}" if first == last else f"segments {first} to {last}"
        return f"int8, {self.estimator}, {which} of {self.segments} in fp32"


@dataclass(frozen=True)
class Deployed:
    """What goes into the bundle.

    Attributes:
        model: ONNX.
        gallery_model: in the same precision, where there is one.
        fields: of the manifest's `embedder`.
        chosen: what was measured of it; None for float32.
        trials: everything that was tried, in order.
        notes: what was done, in sentences.
        moved: ranges that are others than when this network was last calibrated on this machine, the most first.
    """

    model: bytes
    gallery_model: bytes | None
    fields: dict[str, Any]
    chosen: Trial | None = None
    trials: tuple[Trial, ...] = ()
    notes: tuple[str, ...] = ()
    moved: tuple[Moved, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """What was measured of what was chosen, as plain JSON values; no timing, which differs from day to day."""
        if self.chosen is None:
            return dict(self.fields)
        told = {name: getattr(self.chosen, name) for name in ("estimator", "in_float", "segments", "sqnr", "cosine")}
        return {**self.fields, **told, "gate": self.chosen.gate.to_json()}


class GateError(ExportError):
    """No candidate passed; `trials` holds what was measured."""

    def __init__(self, message: str, trials: Sequence[Trial]) -> None:
        super().__init__(message)
        self.trials = tuple(trials)


def deploy(subject: Subject, settings: DeploySettings, *, use_cache: bool, steps: Steps) -> Deployed:
    """Make the file for the device.

    Raises:
        GateError: nothing passes.
        ExportError: the network can't be quantised.
        DataError: the calibration images can't be used, or the images are too few to measure on.
    """
    if settings.precision == "fp32":
        return _as_it_is(subject)
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
            "try --precision auto, more --calibration images, or a larger --max-drop",
            workshop.trials,
        )
    return workshop.deployed(passed[-1])


def _as_it_is(subject: Subject, trials: Sequence[Trial] = (), notes: tuple[str, ...] = ()) -> Deployed:
    return Deployed(subject.model, subject.gallery_model, {"precision": "fp32"}, None, tuple(trials), notes)


def _fastest(workshop: _Workshop) -> Deployed:
    """Of what passes; made for another machine, where speed can't be measured, int8 before float16."""
    if workshop.settings.target == "cpu" or not any(trial.gate.passes for trial in workshop.trials):
        workshop.try_fp16()
    passed = [trial for trial in workshop.trials if trial.gate.passes]
    worth = [trial for trial in passed if not trial.is_slow]
    if worth:
        return workshop.deployed(max(worth, key=lambda trial: trial.speed or 0.0))
    why = "no other precision is faster on this machine" if passed else "no other precision passes the gate"
    return _as_it_is(workshop.subject, workshop.trials, (f"float32 was chosen: {why}.",))


@dataclass
class _Workshop:
    """Makes candidates and measures them; what they share is computed once."""

    subject: Subject
    settings: DeploySettings
    use_cache: bool
    steps: Steps
    trials: list[Trial] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    moved: tuple[Moved, ...] = ()

    def __post_init__(self) -> None:
        subject = self.subject
        self._made: dict[str, tuple[bytes, bytes | None]] = {}
        self._plan = GatePlan.of(subject.train, subject.test, subject.dispositions, subject.shots)
        self._reference = self._embed(subject.model, "embed in float32")
        if not self._plan.held_out:
            self.notes.append(
                "The images that did not teach are too few for episodes, so those that taught are among the questions "
                "of the gate."
            )

    def try_fp16(self) -> None:
        """One candidate."""
        gallery = self.subject.gallery_model
        self._measure("fp16", "", (), 0, to_fp16(self.subject.model), to_fp16(gallery) if gallery else None)

    def try_int8(self) -> None:
        """Candidates with more and more in float32, until one passes."""
        pixels = self._calibration_pixels()
        probes = pixels[np.linspace(0, len(pixels) - 1, min(_PROBES, len(pixels))).astype(int)]
        network = _Quantiser(self.subject.model, pixels, probes, self.settings, self.use_cache)
        gallery = self.subject.gallery_model
        of_gallery = _Quantiser(gallery, pixels, probes, self.settings, self.use_cache) if gallery else None
        self.notes.append(network.told)
        self.moved = network.moved
        for window in network.windows():
            self._measure(
                "int8",
                network.estimator,
                window,
                len(network.segments),
                network.make(window),
                of_gallery.make(window) if of_gallery else None,
            )
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
        notes = (*self.notes, self._sentence(trial))
        return Deployed(model, gallery_model, fields, trial, tuple(self.trials), notes, self.moved)

    def _measure(
        self,
        precision: Precision,
        estimator: str,
        window: tuple[int, ...],
        count: int,
        model: bytes,
        gallery_model: bytes | None,
    ) -> None:
        if precision == "int8" and self.settings.target == "tensorrt" and (broken := check_tensorrt(model)):
            raise ExportError(f"the int8 file breaks TensorRT's rules: {broken[0]}")
        found = self._embed(model, f"embed in {precision}")
        gate = measure_gate(
            self._plan,
            self._reference,
            found,
            self.subject.dispositions,
            self.subject.decision,
            self.settings.max_drop / 100,
        )
        reference, rows = (_rows(side, self._plan) for side in (self._reference, found))
        trial = Trial(
            precision,
            estimator,
            window,
            count,
            gate,
            sqnr(reference, rows),
            cosine(reference, rows),
            len(model),
            self._speed(model),
        )
        self._made[trial.name] = (model, gallery_model)
        self.trials.append(trial)

    def _speed(self, model: bytes) -> float | None:
        if self.settings.target != "cpu":
            return None
        height, width = self.subject.preprocess.size
        seconds = interleaved({"fp32": self.subject.model, "other": model}, (1, height, width, 3), _ROUNDS)
        return seconds["fp32"] / seconds["other"]

    def _embed(self, model: bytes, what: str) -> Embedded:
        """What the gate asks for, as a device computes it."""
        preprocess, plan, embedder = self.subject.preprocess, self._plan, OneByOne(OnnxEmbedder(model))
        space = space_id(hashlib.sha256(model).hexdigest(), preprocess)
        cache = EmbeddingCache(cache_path("onnx", space, versions()["onnxruntime"]) if self.use_cache else None)
        try:
            symmetries = ("", *preprocess.symmetries)
            taught = embed_samples(plan.teaching, embedder, preprocess, cache, self.steps(what), symmetries)
            asked = embed_samples(plan.asked, embedder, preprocess, cache, self.steps(what))
        finally:
            cache.close()
        return Embedded({**Embedded.of_views(taught, len(symmetries)).asked, **asked}, taught, len(symmetries))

    def _calibration_pixels(self) -> NDArray[np.uint8]:
        settings, subject = self.settings, self.subject
        common = (subject.preprocess, subject.model, settings.images, settings.select, self.steps("read for int8"))
        if settings.calibration is not None:
            return of_folder(settings.calibration, *common)
        return of_samples(subject.train, *common)

    def _sentence(self, trial: Trial) -> str:
        """Without any timing: it goes into the bundle, whose bytes must not depend on the day."""
        right, unknowns = trial.gate.right, trial.gate.unknowns
        asked = f"{counted(right.decisions, 'decision')} about {counted(right.images, 'image')}"
        about = (
            f"{trial.name} against float32, {asked} in episodes of {counted(trial.gate.shots, 'shot')}: "
            f"accuracy {100 * right.reference:.1f} % -> {100 * right.found:.1f} %, "
            f"at most {100 * right.bound:.2f} points lost with 95 % confidence"
        )
        seen = (
            f"; AUROC of unknowns {100 * unknowns.reference:.1f} -> {100 * unknowns.found:.1f}, at most "
            f"{100 * unknowns.bound:.2f} lost"
            if unknowns
            else ""
        )
        return f"{about}{seen}."


class _Quantiser:
    """Makes int8 files of one network."""

    def __init__(
        self,
        model: bytes,
        pixels: NDArray[np.uint8],
        probes: NDArray[np.uint8],
        settings: DeploySettings,
        use_cache: bool,
    ):
        self._model, self._probes, self._settings = model, probes, settings
        self._expected = _embedded(model, probes)
        self.segments = segments(model)
        self.told = ""
        names = list(RANGE_ESTIMATORS) if settings.estimator == "auto" else [settings.estimator]
        tables = cache_folder() / "calibration" if use_cache else None
        read = {name: ranges_from_table(tables, model, pixels, name) for name in names}
        found = {name: ranges for name, (ranges, _) in read.items()}
        noise = {name: self._sqnr(ranges, ()) for name, ranges in found.items()}
        self.estimator = max(noise, key=lambda name: noise[name])
        self._ranges, self.moved = read[self.estimator]
        compared = ", ".join(f"{name} {value:.1f} dB" for name, value in noise.items())
        self.told = f"Ranges by {self.estimator} on {counted(len(pixels), 'picture')} (signal to noise: {compared})."

    def windows(self) -> Iterator[tuple[int, ...]]:
        """Segments to leave in float32: none, then the contiguous ones that cost most, twice as many each time."""
        yield ()
        whole = self._sqnr(self._ranges, ())
        gains = [self._sqnr(self._ranges, (place,)) - whole for place in range(len(self.segments))]
        width = 1
        while width <= _WIDEST * len(self.segments):
            places = range(len(self.segments) - width + 1)
            best = max(places, key=lambda place: sum(gains[place : place + width]))
            yield tuple(range(best, best + width))
            width *= 2

    def make(self, window: tuple[int, ...]) -> bytes:
        """The int8 file with the segments of `window` in float32."""
        return self._quantised(self._ranges, window)

    def _quantised(self, ranges: Ranges, window: tuple[int, ...]) -> bytes:
        left = {name for place in window for name in self.segments[place]}
        return quantise(self._model, ranges, self._settings.target, isa=self._settings.isa, in_float=left)

    def _sqnr(self, ranges: Ranges, window: tuple[int, ...]) -> float:
        return sqnr(self._expected, _embedded(self._quantised(ranges, window), self._probes))


def _embedded(model: bytes, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
    return OneByOne(OnnxEmbedder(model)).embed(pixels)


def _rows(embedded: Embedded, plan: GatePlan) -> NDArray[np.float32]:
    return np.stack([embedded.asked[sample.digest] for sample in plan.asked])
