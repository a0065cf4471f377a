"""What turns pixels into vectors on the device, and the name of the space those vectors live in."""

from __future__ import annotations

import hashlib
import json
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from edgefs_runtime.errors import BundleError
from edgefs_runtime.preprocess import Preprocess


class Embedder(Protocol):
    """Anything that embeds uint8 RGB images of one size."""

    dim: int

    def embed(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        """uint8 `[N,H,W,3]` to float32 `[N,D]`."""
        ...


class OnnxEmbedder:
    """An ONNX model run by onnxruntime on the CPU.

    Args:
        model: the bytes of one ONNX file without external data.
        threads: threads of one inference; 0 leaves it to onnxruntime (one for each core).

    Raises:
        BundleError: onnxruntime can't load the model, or it does not map uint8 `[N,H,W,3]` to float32 `[N,D]`.
    """

    def __init__(self, model: bytes, threads: int = 0) -> None:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.log_severity_level = 3  # errors come as exceptions; warnings are for whoever made the model
        options.intra_op_num_threads = threads
        try:
            self._session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
        except Exception as error:  # onnxruntime's own errors share no base but Exception
            raise BundleError(
                f"onnxruntime {onnxruntime.__version__} can't load embedder.onnx: {_first(error)}"
            ) from error
        # onnxruntime's Python class keeps the bytes to fall back to another provider; there is none, and they are many.
        if hasattr(self._session, "_model_bytes"):
            self._session._model_bytes = b""
        inputs, outputs = self._session.get_inputs(), self._session.get_outputs()
        if len(inputs) != 1 or inputs[0].type != "tensor(uint8)" or len(inputs[0].shape) != 4:
            raise BundleError("embedder.onnx: expected one input, uint8 [N,H,W,3]")
        if len(outputs) != 1 or outputs[0].type != "tensor(float)" or len(outputs[0].shape) != 2:
            raise BundleError("embedder.onnx: expected one output, float32 [N,D]")
        self._input, self._output = inputs[0].name, outputs[0].name
        self.dim = int(outputs[0].shape[1])

    def embed(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        """uint8 `[N,H,W,3]` to float32 `[N,D]`."""
        (vectors,) = self._session.run([self._output], {self._input: images})
        return np.asarray(vectors, np.float32)


def space_id(model_sha256: str, preprocess: Preprocess) -> str:
    """Name of an embedding space: two vectors may be compared only under the same one.

    SHA-256 of the model's digest and the canonical JSON (sorted keys, no spaces, ASCII) of its preprocessing.
    """
    return hashlib.sha256(f"{model_sha256}\n{canonical_json(preprocess.to_json())}".encode("ascii")).hexdigest()


def canonical_json(value: Any) -> str:
    """JSON with one way to write each value: keys sorted, no spaces, ASCII with escapes, no NaN."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False)


def _first(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]
