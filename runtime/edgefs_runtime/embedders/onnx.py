"""An embedding network in ONNX, run by onnxruntime."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from edgefs_runtime.base.errors import BundleError
from edgefs_runtime.base.memory_file import MemoryFile
from edgefs_runtime.base.wording import first_line
from edgefs_runtime.embedders.protocol import CPU, Execution

if TYPE_CHECKING:
    import onnxruntime


class OnnxEmbedder:
    """An ONNX model run by onnxruntime.

    Args:
        model: one ONNX file without external data: its bytes, or the file in memory.
        threads: threads of one inference on the CPU; 0 leaves it to onnxruntime (one for each core).
        execution: onnxruntime's execution providers in the order of preference, with their options. Any other than the
            CPU's is tried by a real inference (`embedders.probing`), since onnxruntime falls back in silence.
        known: whether these very bytes were looked at on this machine before, and passed: they are not looked at again.

    Raises:
        BundleError: the file holds what no exported network does (`base.onnx_gate`), onnxruntime can't load it, or it
            does not map uint8 `[N,H,W,3]` to float32 `[N,D]`.
        ProviderError: the first execution provider is not in this onnxruntime, fails, or runs nothing of the model.
    """

    def __init__(
        self,
        model: bytes | MemoryFile,
        threads: int = 0,
        execution: Sequence[Execution] = (CPU,),
        *,
        known: bool = False,
    ) -> None:
        width = None
        if not known:
            from edgefs_runtime.base.onnx_gate import refuse_strange_network  # once in a bundle's life on a machine

            width = refuse_strange_network(model, "embedder.onnx")
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.log_severity_level = 4  # errors come as exceptions; warnings are for whoever made the model
        options.intra_op_num_threads = threads
        if execution[0] == CPU:
            self._session = _load(model, options, execution)
        else:
            from edgefs_runtime.embedders.probing import probed

            self._session = probed(lambda: _load(model, options, execution), options, execution[0][0])
        # onnxruntime's Python class keeps the bytes to fall back to another provider; it may not, and they are many.
        if hasattr(self._session, "_model_bytes"):
            self._session._model_bytes = b""
        try:
            inputs, outputs = self._session.get_inputs(), self._session.get_outputs()
            self._input, self._output = inputs[0].name, outputs[0].name
            _ = [one.shape for one in (*inputs, *outputs)]
        except (UnicodeDecodeError, IndexError) as error:
            raise BundleError("embedder.onnx: it has no input or no output, or one whose name is no text") from error
        if len(inputs) != 1 or inputs[0].type != "tensor(uint8)" or len(inputs[0].shape) != 4:
            raise BundleError("embedder.onnx: expected one input, uint8 [N,H,W,3]")
        if len(outputs) != 1 or outputs[0].type != "tensor(float)" or len(outputs[0].shape) != 2:
            raise BundleError("embedder.onnx: expected one output, float32 [N,D]")
        self.dim = int(outputs[0].shape[1] if width is None else width)  # what onnxruntime infers may be another

    def embed(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        """uint8 `[N,H,W,3]` to float32 `[N,D]`.

        Raises:
            BundleError: the network does not take such images, or makes something else than it says.
        """
        try:
            (vectors,) = self._session.run([self._output], {self._input: images})
        except Exception as error:  # onnxruntime's own errors share no base but Exception
            raise BundleError(f"embedder.onnx fails: {first_line(error)}") from error
        if vectors.shape != (len(images), self.dim):
            raise BundleError(f"embedder.onnx makes {vectors.shape}, expected {(len(images), self.dim)}")
        return np.asarray(vectors, np.float32)


def _load(model: bytes | MemoryFile, options: onnxruntime.SessionOptions, execution: Sequence[Execution]) -> Any:
    import onnxruntime

    source = model if isinstance(model, bytes) else model.path or model.read()
    try:
        return onnxruntime.InferenceSession(source, options, providers=list(execution), enable_fallback=False)
    except Exception as error:  # onnxruntime's own errors share no base but Exception
        what = f"onnxruntime {onnxruntime.__version__} can't load embedder.onnx"
        raise BundleError(f"{what}: {first_line(error)}") from error
