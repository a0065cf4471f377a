"""A TensorRT engine as an embedder."""

from __future__ import annotations

import math
import threading

import numpy as np
import tensorrt
from numpy.typing import NDArray

from edgefs_runtime.base.errors import ProviderError
from edgefs_runtime.embedders.tensorrt.cuda import Buffer, Stream
from edgefs_runtime.embedders.tensorrt.logger import Logger, started


class TensorRtEmbedder:
    """An engine run by TensorRT on the GPU, without torch. Calls from several threads wait for each other.

    Args:
        plan: a serialised engine, uint8 `[N,H,W,3]` to float32 `[N,D]`. It is code: only what this user built.

    Raises:
        ProviderError: TensorRT can't load it here, it is not such an engine, or the GPU's memory does not suffice.
    """

    def __init__(self, plan: bytes) -> None:
        self._logger = Logger()
        self._lock = threading.Lock()
        self._runtime = started(tensorrt.Runtime, self._logger)
        engine = self._runtime.deserialize_cuda_engine(plan)
        if engine is None:
            raise ProviderError(f"TensorRT {tensorrt.__version__} can't load the engine{self._logger.because()}")
        self._engine = engine
        self._input = self._only(tensorrt.TensorIOMode.INPUT, tensorrt.uint8, 4)
        self._output = self._only(tensorrt.TensorIOMode.OUTPUT, tensorrt.float32, 2)
        most = engine.get_tensor_profile_shape(self._input, 0)[2]
        self.largest_batch, *size = (int(most[axis]) for axis in range(4))
        self._shape = tuple(size)  # (H, W, 3)
        self.dim = int(engine.get_tensor_shape(self._output)[1])
        self._prepare()

    def embed(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        """uint8 `[N,H,W,3]` to float32 `[N,D]`, any N: what is more than the engine takes at once is divided.

        Raises:
            ProviderError: the images are of another size or type, or the GPU failed.
        """
        if images.dtype != np.uint8 or images.shape[1:] != self._shape:
            raise ProviderError(f"the engine takes uint8 {self._shape}, these are {images.dtype} {images.shape[1:]}")
        starts = range(0, len(images), self.largest_batch)
        with self._lock:
            rows = [self._embed(images[start : start + self.largest_batch]) for start in starts]
        return np.concatenate(rows) if rows else np.empty((0, self.dim), np.float32)

    def _embed(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        pixels = np.ascontiguousarray(images)
        vectors = np.empty((len(pixels), self.dim), np.float32)
        self._must(self._context.set_input_shape(self._input, pixels.shape), "take a batch of this size")
        self._stream.upload(pixels, self._pixels)
        self._must(self._context.execute_async_v3(self._stream.handle), "run the engine")
        self._stream.download(self._vectors, vectors)
        self._stream.wait()
        return vectors

    def _prepare(self) -> None:
        """Allocate memory for the largest batch, and tell the engine where it lies."""
        context = self._engine.create_execution_context()
        if context is None:
            raise ProviderError(f"TensorRT can't prepare the engine{self._logger.because()}")
        self._context = context
        self._stream = Stream()
        self._pixels = Buffer(self.largest_batch * math.prod(self._shape))
        self._vectors = Buffer(self.largest_batch * self.dim * np.dtype(np.float32).itemsize)
        self._must(context.set_tensor_address(self._input, self._pixels.address), "take its input")
        self._must(context.set_tensor_address(self._output, self._vectors.address), "take its output")

    def _only(self, mode: tensorrt.TensorIOMode, dtype: tensorrt.DataType, rank: int) -> str:
        names = [self._engine.get_tensor_name(index) for index in range(self._engine.num_io_tensors)]
        found = [name for name in names if self._engine.get_tensor_mode(name) == mode]
        if not (
            len(found) == 1
            and self._engine.get_tensor_dtype(found[0]) == dtype
            and len(self._engine.get_tensor_shape(found[0])) == rank
        ):
            raise ProviderError("the engine does not map uint8 [N,H,W,3] to float32 [N,D]; export the bundle again")
        return str(found[0])

    def _must(self, done: bool, what: str) -> None:
        if not done:
            raise ProviderError(f"TensorRT can't {what}{self._logger.because()}")
