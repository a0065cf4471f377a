"""What turns pixels into vectors on the device, and the name of the space those vectors live in."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from edgefs_runtime.base.errors import BundleError
from edgefs_runtime.images.preprocess import Preprocess

if TYPE_CHECKING:
    import onnxruntime

Execution = tuple[str, Mapping[str, str]]  # one of onnxruntime's execution providers, and its options
CPU: Execution = ("CPUExecutionProvider", {})


class Embedder(Protocol):
    """Anything that embeds uint8 RGB images of one size."""

    dim: int

    def embed(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        """uint8 `[N,H,W,3]` to float32 `[N,D]`."""
        ...


class OnnxEmbedder:
    """An ONNX model run by onnxruntime.

    Args:
        model: the bytes of one ONNX file without external data.
        threads: threads of one inference on the CPU; 0 leaves it to onnxruntime (one for each core).
        execution: onnxruntime's execution providers in the order of preference, with their options. Any other than the
            CPU's is tried by a real inference (`edgefs_runtime.embedders.probing`), since onnxruntime falls back in silence.

    Raises:
        BundleError: onnxruntime can't load the model, or it does not map uint8 `[N,H,W,3]` to float32 `[N,D]`.
        ProviderError: the first execution provider is not in this onnxruntime, fails, or runs nothing of the model.
    """

    def __init__(self, model: bytes, threads: int = 0, execution: Sequence[Execution] = (CPU,)) -> None:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.log_severity_level = 3  # errors come as exceptions; warnings are for whoever made the model
        options.intra_op_num_threads = threads
        if execution[0] == CPU:
            self._session = _load(model, options, execution)
        else:
            from edgefs_runtime.embedders.probing import probed

            self._session = probed(lambda: _load(model, options, execution), options, execution[0][0])
        # onnxruntime's Python class keeps the bytes to fall back to another provider; it may not, and they are many.
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


def _load(model: bytes, options: onnxruntime.SessionOptions, execution: Sequence[Execution]) -> Any:
    import onnxruntime

    try:
        return onnxruntime.InferenceSession(model, options, providers=list(execution), enable_fallback=False)
    except Exception as error:  # onnxruntime's own errors share no base but Exception
        what = f"onnxruntime {onnxruntime.__version__} can't load embedder.onnx"
        raise BundleError(f"{what}: {first_line(error)}") from error


def first_line(error: Exception) -> str:
    """What a library's error says, in one line."""
    return (str(error).splitlines() or [type(error).__name__])[0]
