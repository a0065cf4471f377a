"""The self-test that travels in a bundle: rendered inputs, and what came out of them where it was exported.

A device runs it when it meets a bundle for the first time, and refuses one that computes something else here: a broken
onnxruntime, a processor without an instruction, a model for another target. A GPU, and half precision anywhere, may
round otherwise as long as the embeddings point the same way. When it is run, `embedders.self_test` says.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgefs_runtime.base.arrays import pack_arrays, unpack_arrays
from edgefs_runtime.base.errors import BundleError
from edgefs_runtime.decision.judge import Judge

TOLERANCE = 1e-4  # relative difference of an embedding, on any CPU
COSINE = 0.999  # of an embedding with the exporter's, on a GPU or in half precision
_KINDS = {"inputs": "u1", "vectors": "f4", "nearest": "U", "margins": "f8"}
_MOST_INPUTS = 64
_LARGEST = 1e6  # number of an embedding


@dataclass(frozen=True)
class GoldenAgreement:
    """How far embeddings agree with the exporter's.

    Attributes:
        worst: largest relative difference of an embedding.
        cosine: the smallest cosine of an embedding with the exporter's.
    """

    worst: float
    cosine: float


@dataclass(frozen=True)
class Golden:
    """Inputs uint8 `[k,H,W,3]`, embeddings float32 `[k,D]`, nearest classes and margins of the two best."""

    inputs: NDArray[np.uint8]
    vectors: NDArray[np.float32]
    nearest: tuple[str, ...]
    margins: NDArray[np.float64]

    @classmethod
    def record(cls, inputs: NDArray[np.uint8], vectors: NDArray[np.float32], judge: Judge) -> Golden:
        """Keep inputs with what comes out of them.

        Args:
            inputs: uint8 `[k,H,W,3]`.
            vectors: their embeddings float32 `[k,D]`, made one by one as the device will.
            judge: decides by the bundle's seed gallery.

        Raises:
            BundleError: nothing can be decided about one.
        """
        decisions = judge.decide(vectors)
        for decision in decisions:
            if decision.nearest is None:
                raise BundleError(f"no self-test can be made: {decision.reason}")
        nearest = tuple(str(decision.nearest) for decision in decisions)
        return cls(inputs, vectors, nearest, np.array([decision.margin for decision in decisions], np.float64))

    def to_bytes(self) -> bytes:
        """The member `golden.npz`."""
        nearest = np.array(self.nearest, np.str_)
        return pack_arrays(
            {"inputs": self.inputs, "vectors": self.vectors, "nearest": nearest, "margins": self.margins}
        )

    @classmethod
    def from_bytes(cls, data: bytes) -> Golden:
        """Read the member `golden.npz`.

        Raises:
            BundleError: it does not hold a self-test.
        """
        arrays = unpack_arrays(data, _KINDS, "golden.npz")
        nearest = tuple(arrays["nearest"].tolist())
        golden = cls(arrays["inputs"], arrays["vectors"], nearest, arrays["margins"])
        k = golden.inputs.shape[0] if golden.inputs.ndim else 0
        one_each = all(arrays[key].shape == (k,) for key in ("nearest", "margins"))
        if golden.inputs.ndim != 4 or golden.vectors.ndim != 2 or k != len(golden.vectors) or not one_each:
            raise BundleError("golden.npz: the arrays don't belong together")
        if not 1 <= k <= _MOST_INPUTS:
            raise BundleError(f"golden.npz holds {k:,} inputs; expected 1 to {_MOST_INPUTS}")
        if not (np.isfinite(golden.margins).all() and (np.abs(golden.vectors) <= _LARGEST).all()):
            raise BundleError("golden.npz holds NaN, infinity or numbers that no embedding has")
        return golden

    def check(self, vectors: NDArray[np.float32], judge: Judge, *, exact: bool = True) -> GoldenAgreement:
        """Compare what came out of the inputs here, and return how far the embeddings agree.

        Args:
            vectors: embeddings float32 `[k,D]` of the inputs, made one by one.
            judge: of the bundle's seed gallery.
            exact: every embedding must agree to `TOLERANCE`; else by a cosine of `COSINE`.

        Raises:
            BundleError: an embedding or a clear decision is another one here.
        """
        if vectors.shape != self.vectors.shape:
            raise BundleError(f"the self-test fails: embeddings {vectors.shape}, expected {self.vectors.shape}")
        worst = float(relative_difference(vectors, self.vectors).max())
        agreement = GoldenAgreement(worst, float(_cosine(vectors, self.vectors).min()))
        if exact and not agreement.worst <= TOLERANCE:
            raise BundleError(
                f"the self-test fails: embeddings differ by {agreement.worst:.1e}, at most {TOLERANCE:.0e} is allowed; "
                "this machine or its onnxruntime computes something else than the exporter's"
            )
        if not exact and not agreement.cosine >= COSINE:
            raise BundleError(
                f"the self-test fails: embeddings agree with the exporter's by a cosine of {agreement.cosine:.4f}, at "
                f"least {COSINE} is needed"
            )
        for row, decision in enumerate(judge.decide(vectors)):
            if decision.nearest is None:
                raise BundleError(f"the self-test fails: {decision.reason} (input {row})")
            if decision.nearest != self.nearest[row] and self.margins[row] > judge.safe_margin:
                raise BundleError(
                    f"the self-test fails: input {row} is nearest to {decision.nearest!r}, "
                    f"expected {self.nearest[row]!r}"
                )
        return agreement


def relative_difference(a: NDArray[np.float32], b: NDArray[np.float32]) -> NDArray[np.float64]:
    """‖a − b‖ / ‖b‖ of the rows of two `[N,D]` arrays."""
    length = np.maximum(np.linalg.norm(b.astype(np.float64), axis=1), 1e-12)
    return np.asarray(np.linalg.norm(a.astype(np.float64) - b, axis=1) / length)


def _cosine(a: NDArray[np.float32], b: NDArray[np.float32]) -> NDArray[np.float64]:
    """Cosine of each row of `[N,D]` with its counterpart, float64 `[N]`; two zero rows have 1."""
    lengths = np.linalg.norm(a.astype(np.float64), axis=1) * np.linalg.norm(b.astype(np.float64), axis=1)
    both_zero = ~a.any(axis=1) & ~b.any(axis=1)
    cosine = np.einsum("nd,nd->n", a.astype(np.float64), b) / np.maximum(lengths, 1e-12)
    return np.asarray(np.where(both_zero, 1.0, cosine))
