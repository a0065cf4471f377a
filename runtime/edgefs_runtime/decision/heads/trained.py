"""A head that was trained on the workstation and travels in a bundle as `head.onnx`.

- `TrainedHeadModel`: the ONNX file with what the manifest says about it.
- `TrainedHead`: the same, loaded, with the seed gallery it belongs to.

It knows the rows it was trained with and no others. As soon as a gallery holds another set of rows (a class was taught,
forgotten, merged or refined) the gallery's own head decides; when `undo` brings back the seed's rows, this one does
again. How strange a row looks it can't say: that stays the business of the gallery's head.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgefs_runtime.base.errors import BundleError
from edgefs_runtime.base.wording import first_line
from edgefs_runtime.decision.heads.base import Answer, Head, LeftOutScores
from edgefs_runtime.decision.snapshot import Snapshot

PROBABILITIES, SCORES = "probabilities", "scores"  # what the output of `head.onnx` is called, and is
_LARGEST = 1e9  # score of an image that it was trained with
_LEAST = 1e-4  # a forest that none of its trees tells a class is not infinitely sure


@dataclass(frozen=True)
class TrainedHeadModel:
    """A trained head, as it travels.

    Attributes:
        onnx: from `embeddings` float32 `[N,D]` to `probabilities` or `scores` float32 `[N,C]`.
        kind: what it is: `svm`, `random-forest`, `logistic`, `linear` …
        labels: C classes, in the order of the output's columns.
        temperature: divides scores, or logarithms of probabilities, so that their softmax is calibrated; measured on
            images that the measured heads were not trained on.
        safe_margin: difference of the two best probabilities below which another label may win by rounding; 0 where
            the head is smooth.
    """

    onnx: bytes
    kind: str
    labels: tuple[str, ...]
    temperature: float
    safe_margin: float = 0.0

    def __post_init__(self) -> None:
        if len(set(self.labels)) < max(2, len(self.labels)):
            raise BundleError(f"head.labels = {list(self.labels)!r}: expected two or more different classes")
        if not 0 < self.temperature < math.inf:
            raise BundleError(f"head.temperature = {self.temperature!r}: expected a positive number")
        if not 0 <= self.safe_margin < 1:
            raise BundleError(f"head.safe_margin = {self.safe_margin!r}: expected a share from 0 to below 1")

    @classmethod
    def from_json(cls, entry: Mapping[str, Any], onnx: bytes) -> TrainedHeadModel:
        """Read the entry `head` of a manifest.

        Raises:
            BundleError: a field is missing or out of range.
        """
        try:
            labels, margin = tuple(map(str, entry["labels"])), float(entry.get("safe_margin", 0.0))
            return cls(onnx, str(entry["kind"]), labels, float(entry["temperature"]), margin)
        except (KeyError, TypeError, ValueError) as error:
            raise BundleError(f"the head's entry lacks a field, or one is of the wrong kind ({error})") from error

    def to_json(self) -> dict[str, Any]:
        """The entry `head` of a manifest."""
        margin = {"safe_margin": self.safe_margin} if self.safe_margin else {}
        return {"kind": self.kind, "labels": list(self.labels), "temperature": self.temperature, **margin}


def as_scores(output: NDArray[np.floating], kind: str) -> NDArray[np.float64]:
    """What an output named `kind` is as scores: larger is likelier, and a softmax makes probabilities of them."""
    values = np.asarray(output, np.float64)
    return np.asarray(np.log(np.maximum(values, _LEAST))) if kind == PROBABILITIES else values


class TrainedHead:
    """A trained head, loaded.

    Args:
        model: the head as it travels.
        seed: the gallery that it was trained with.

    Raises:
        BundleError: onnxruntime can't load it, its classes are not the seed's, or it does not map the seed's rows to as
            many scores as it has labels.
    """

    def __init__(self, model: TrainedHeadModel, seed: Snapshot) -> None:
        self.kind, self.temperature, self.safe_margin = model.kind, model.temperature, model.safe_margin
        if sorted(model.labels) != sorted(seed.labels):
            raise BundleError(
                f"head.onnx tells {', '.join(sorted(model.labels))} apart; the seed gallery holds "
                f"{', '.join(sorted(seed.labels))}"
            )
        self._session = _session(model.onnx)
        self._input, self._output = self._session.get_inputs()[0].name, self._session.get_outputs()[0].name
        self._order = [model.labels.index(label) for label in seed.labels]
        self._rows, self._seed = len(seed.vectors), _digest(seed)
        self._check(seed.rows[:1, 0])

    def knows(self, snapshot: Snapshot) -> bool:
        """Whether a gallery holds the seed's rows and no others."""
        return len(snapshot.vectors) == self._rows and _digest(snapshot) == self._seed

    def over(self, fallback: Head) -> Head:
        """The head that decides by this one's scores and the gallery's strangeness."""
        return _Over(self, fallback)

    def scores(self, vectors: NDArray[np.float32]) -> NDArray[np.float64]:
        """Scores `[N,C]` of rows `[N,D]`, classes in the seed's order."""
        try:
            (found,) = self._session.run([self._output], {self._input: np.ascontiguousarray(vectors, np.float32)})
        except Exception as error:  # onnxruntime's own errors share no base but Exception
            raise BundleError(f"head.onnx fails: {first_line(error)}") from error
        if found.shape != (len(vectors), len(self._order)):
            raise BundleError(f"head.onnx makes {found.shape}, expected {(len(vectors), len(self._order))}")
        return as_scores(found[:, self._order], self._output)

    def _check(self, row: NDArray[np.float32]) -> None:
        """Ask about one row, so that a head that does not fit is refused when it is loaded."""
        try:
            (found,) = self._session.run([self._output], {self._input: row})
        except Exception as error:  # onnxruntime's own errors share no base but Exception
            raise BundleError(
                f"head.onnx does not take embeddings of {row.shape[1]} numbers: {first_line(error)}"
            ) from error
        if found.shape != (1, len(self._order)):
            raise BundleError(f"head.onnx: {found.shape[-1]} outputs for {len(self._order)} labels")
        if not (np.abs(found) <= _LARGEST).all():
            raise BundleError("head.onnx computes NaN or infinity for an image it was trained with, or nearly so")


class _Over:
    """Scores of a trained head beside the strangeness of the gallery's."""

    def __init__(self, trained: TrainedHead, fallback: Head) -> None:
        self._trained, self._fallback = trained, fallback
        self.default_temperature = fallback.default_temperature

    def scores(self, vectors: NDArray[np.float32]) -> NDArray[np.float64]:
        """Scores of the trained head, float64 `[N,C]`."""
        return self._trained.scores(vectors)

    def answer(self, vectors: NDArray[np.float32]) -> Answer:
        """Scores of the one, strangeness of the other."""
        return Answer(self._trained.scores(vectors), self._fallback.answer(vectors).strangeness)

    def left_out(self, rows: NDArray[np.int64] | None = None) -> LeftOutScores:
        """Scores of the gallery's head: what was trained on its rows can't be asked what it would say without them."""
        return self._fallback.left_out(rows)


def _session(onnx: bytes) -> Any:
    from edgefs_runtime.base.onnx_gate import refuse_strange_network  # most bundles bring no head

    refuse_strange_network(onnx, "head.onnx")
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4  # errors come as exceptions; warnings are for whoever made the model
    options.intra_op_num_threads = 1  # it is small: waking threads would take longer
    try:
        session = onnxruntime.InferenceSession(onnx, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime's own errors share no base but Exception
        raise BundleError(f"onnxruntime {onnxruntime.__version__} can't load head.onnx: {first_line(error)}") from error
    inputs, outputs = _ends_of(session)
    if len(inputs) != 1 or inputs[0].type != "tensor(float)" or len(inputs[0].shape) != 2:
        raise BundleError("head.onnx: expected one input, float32 [N,D]")
    if len(outputs) != 1 or outputs[0].type != "tensor(float)" or outputs[0].name not in (PROBABILITIES, SCORES):
        raise BundleError(f"head.onnx: expected one output, float32 [N,C], called {PROBABILITIES} or {SCORES}")
    return session


def _ends_of(session: Any) -> tuple[Any, Any]:
    try:
        inputs, outputs = session.get_inputs(), session.get_outputs()
        _ = [(one.name, one.shape) for one in (*inputs, *outputs)]
    except UnicodeDecodeError as error:
        raise BundleError("head.onnx: the name of its input or output is no text") from error
    return inputs, outputs


def _digest(snapshot: Snapshot) -> str:
    """Digest of a gallery's classes and rows, in whatever order they were taught: undo may restore them in another."""
    rows = sorted(
        (label, row.tobytes()) for label, row in zip(snapshot.classes.tolist(), snapshot.vectors, strict=True)
    )
    digest = hashlib.sha256(repr((snapshot.labels, snapshot.dispositions)).encode())
    for label, row in rows:
        digest.update(label.to_bytes(4, "big"))
        digest.update(row)
    return digest.hexdigest()
