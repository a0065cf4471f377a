"""cuda-python's runtime, as far as edgefs calls it, with the host's memory in the place of a GPU's.

Copies happen when the stream is waited for, so whoever reads a result too early finds nothing. `SIM_GPU` is the GPU's
name, nothing for no GPU; `SIM_MEMORY` its memory in bytes.
"""

import ctypes
import enum
import os

import numpy as np

GPU = os.environ.get("SIM_GPU", "Orin")
_free = int(os.environ.get("SIM_MEMORY", "1000000000"))
_allocated = {}
_streams = {}


class cudaError_t(enum.IntEnum):
    cudaSuccess = 0
    cudaErrorMemoryAllocation = 2
    cudaErrorNoDevice = 100


class cudaMemcpyKind(enum.IntEnum):
    cudaMemcpyHostToDevice = 1
    cudaMemcpyDeviceToHost = 2


class cudaDeviceProp:
    name, major, minor = GPU.encode() + b"\0", 8, 7


class cudaStream_t(int):
    pass


OK = cudaError_t.cudaSuccess


def cudaGetErrorString(error):
    said = {cudaError_t.cudaErrorMemoryAllocation: b"out of memory"}
    return OK, said.get(error, b"no CUDA-capable device is detected")


def cudaGetErrorName(error):
    return OK, error.name.encode()


def cudaGetDeviceCount():
    return (OK, 1) if GPU else (cudaError_t.cudaErrorNoDevice, None)


def cudaGetDeviceProperties(device):
    return OK, cudaDeviceProp()


def cudaMalloc(size):
    if sum(map(len, _allocated.values())) + size > _free:
        return cudaError_t.cudaErrorMemoryAllocation, None
    memory = ctypes.create_string_buffer(size)
    _allocated[ctypes.addressof(memory)] = memory
    return OK, ctypes.addressof(memory)


def cudaFree(address):
    del _allocated[address]
    return (OK,)


def cudaStreamCreate():
    stream = cudaStream_t(len(_streams) + 1)
    _streams[stream] = []
    return OK, stream


def cudaStreamDestroy(stream):
    del _streams[stream]
    return (OK,)


def cudaMemcpyAsync(target, source, size, kind, stream):
    on_gpu = target if kind == cudaMemcpyKind.cudaMemcpyHostToDevice else source
    assert is_allocated(on_gpu)
    assert size <= len(_allocated[on_gpu])
    if kind == cudaMemcpyKind.cudaMemcpyHostToDevice:
        ctypes.memmove(target, source, size)  # staged: the caller's memory is free again
    else:
        _streams[stream].append((target, source, size))
    return (OK,)


def cudaStreamSynchronize(stream):
    for copy in _streams[stream]:
        ctypes.memmove(*copy)
    _streams[stream].clear()
    return (OK,)


def is_allocated(address):
    """For the simulated TensorRT."""
    return address in _allocated


def is_stream(handle):
    """For the simulated TensorRT."""
    return handle in _streams


def view(address, shape, dtype):
    """For the simulated TensorRT: an array over memory of the GPU."""
    memory = _allocated[address]
    return np.frombuffer(memory, dtype, int(np.prod(shape))).reshape(shape)
