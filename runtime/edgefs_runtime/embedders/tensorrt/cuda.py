"""The few calls of the CUDA runtime that inference needs, by cuda-python 12 or 13.

Each returns its error code first. Here it becomes an exception of one line.
"""

from __future__ import annotations

import weakref
from dataclasses import dataclass
from typing import Any

from cuda.bindings import runtime as cudart
from numpy.typing import NDArray

from edgefs_runtime.base.errors import ProviderError


@dataclass(frozen=True)
class Gpu:
    """The GPU that the CUDA runtime takes for a process: the first that `CUDA_VISIBLE_DEVICES` leaves.

    Attributes:
        name: as the driver says it.
        capability: compute capability, such as `8.7`.
    """

    name: str
    capability: str


def this_gpu() -> Gpu:
    """The GPU of this process.

    Raises:
        ProviderError: there is none, or the driver is missing or too old for this cuda-python.
    """
    try:
        (count,) = _called("finding a GPU", cudart.cudaGetDeviceCount())
    except ProviderError as error:  # without a driver it comes as one that is too old
        raise ProviderError(f"no NVIDIA GPU that can be used (`nvidia-smi` should list one): {error}") from error
    if not count:
        raise ProviderError("no NVIDIA GPU that can be used (`nvidia-smi` should list one)")
    (properties,) = _called("asking the GPU what it is", cudart.cudaGetDeviceProperties(0))
    name = properties.name
    text = name.decode("utf-8", "replace") if isinstance(name, bytes) else str(name)
    return Gpu(text.rstrip("\0"), f"{properties.major}.{properties.minor}")


class Stream:
    """A queue of work on the GPU."""

    def __init__(self) -> None:
        (self._stream,) = _called("making a stream", cudart.cudaStreamCreate())
        self.handle = int(self._stream)
        weakref.finalize(self, cudart.cudaStreamDestroy, self._stream)

    def upload(self, array: NDArray[Any], buffer: Buffer) -> None:
        """Queue a copy of a contiguous array to the GPU; the array must live until `wait`."""
        kind = cudart.cudaMemcpyKind.cudaMemcpyHostToDevice
        _called(
            "copying to the GPU", cudart.cudaMemcpyAsync(buffer.address, _at(array), array.nbytes, kind, self._stream)
        )

    def download(self, buffer: Buffer, array: NDArray[Any]) -> None:
        """Queue a copy from the GPU into a contiguous array, which holds it after `wait`."""
        kind = cudart.cudaMemcpyKind.cudaMemcpyDeviceToHost
        _called(
            "copying from the GPU", cudart.cudaMemcpyAsync(_at(array), buffer.address, array.nbytes, kind, self._stream)
        )

    def wait(self) -> None:
        """Wait until all that is queued is done.

        Raises:
            ProviderError: something of it failed.
        """
        _called("computing on the GPU", cudart.cudaStreamSynchronize(self._stream))


class Buffer:
    """Memory on the GPU.

    Args:
        size: bytes.

    Raises:
        ProviderError: there is not so much left.
    """

    def __init__(self, size: int) -> None:
        (self.address,) = _called(f"allocating {size} bytes on the GPU", cudart.cudaMalloc(size))
        weakref.finalize(self, cudart.cudaFree, self.address)


def _at(array: NDArray[Any]) -> int:
    if not array.flags["C_CONTIGUOUS"]:
        raise ValueError("the array is not contiguous")
    return int(array.ctypes.data)


def _called(doing: str, answer: tuple[Any, ...]) -> tuple[Any, ...]:
    """What a call returned behind its error code.

    Raises:
        ProviderError: the code says that it failed.
    """
    code, *values = answer
    if code != cudart.cudaError_t.cudaSuccess:
        texts = (cudart.cudaGetErrorString(code)[1], cudart.cudaGetErrorName(code)[1])
        said, name = (text.decode("utf-8", "replace") if isinstance(text, bytes) else str(text) for text in texts)
        raise ProviderError(f"CUDA fails at {doing}: {said} ({name})")
    return tuple(values)
