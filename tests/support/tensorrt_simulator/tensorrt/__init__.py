"""TensorRT's Python interface, as far as edgefs calls it, over onnxruntime on the CPU.

Put the folder above first on PYTHONPATH and `import tensorrt` finds this, with the `cuda` beside it. It is as strict as
the real one: a size that is not in the profile, an address that was never allocated, a plan of another version are
refused in TensorRT's way. It shows that our calls go together; it shows nothing about a GPU. That the names and
signatures are the real ones is what `make typecheck-tensorrt` shows.

`SIM_TENSORRT` is the version; `SIM_FAILS` is `parse` or `build`; `SIM_WRONG=1` makes engines compute something else.
"""

import abc
import enum
import os
import struct

import numpy as np
import onnxruntime
from cuda.bindings import runtime as cuda

__version__ = os.environ.get("SIM_TENSORRT", "10.3.0")
DataType = enum.Enum("DataType", "UINT8 FLOAT")
uint8, float32 = DataType.UINT8, DataType.FLOAT
TensorIOMode = enum.Enum("TensorIOMode", "NONE INPUT OUTPUT")
MemoryPoolType = enum.Enum("MemoryPoolType", "WORKSPACE")
TYPES = {"tensor(uint8)": uint8, "tensor(float)": float32}


class NetworkDefinitionCreationFlag(enum.IntEnum):
    EXPLICIT_BATCH = 0
    STRONGLY_TYPED = 1


class Dims(tuple):
    def __new__(cls, shape):
        return super().__new__(cls, shape)


class ILogger(abc.ABC):
    Severity = enum.Enum("Severity", "INTERNAL_ERROR ERROR WARNING INFO VERBOSE")
    INTERNAL_ERROR, ERROR, WARNING, INFO, VERBOSE = Severity

    @abc.abstractmethod
    def log(self, severity, msg):
        """Ours to write."""


class HostMemory(bytes):
    """`bytes(memory)` copies it out."""


class Tensor:
    def __init__(self, value):
        self.name = value.name
        self.dtype = TYPES[value.type]
        self.shape = Dims(-1 if isinstance(size, str) else size for size in value.shape)


class Network:
    def __init__(self):
        self.model = None

    def get_input(self, index):
        return Tensor(session_of(self.model).get_inputs()[index])


class ParserError:
    def desc(self):
        return "Failed to parse the model\nand a second line"

    def node_operator(self):
        return "Transpose"

    def node_name(self):
        return "node_0"


class OnnxParser:
    def __init__(self, network, logger):
        self._network, self.num_errors = network, 0

    def parse(self, model):
        if os.environ.get("SIM_FAILS") == "parse":
            self.num_errors = 1
            return False
        self._network.model = model
        return True

    def get_error(self, index):
        return (ParserError(),)[index]


class Profile:
    def __init__(self):
        self.shapes = {}

    def set_shape(self, name, smallest, best, largest):
        assert all(type(shape) is Dims for shape in (smallest, best, largest))
        self.shapes[name] = (smallest, best, largest)


class TimingCache:
    def __init__(self, content):
        self.content = content

    def serialize(self):
        return HostMemory(self.content)


class Config:
    def __init__(self):
        self.profile = self.workspace = None
        self._cache = TimingCache(b"")

    def set_memory_pool_limit(self, pool, size):
        assert pool is MemoryPoolType.WORKSPACE
        self.workspace = size

    def add_optimization_profile(self, profile):
        self.profile = profile
        return 0

    def create_timing_cache(self, content):
        return TimingCache(content)

    def set_timing_cache(self, cache, ignore_mismatch):
        if ignore_mismatch or cache.content not in (b"", f"timings of {__version__}".encode()):
            return False
        self._cache = cache
        return True

    def get_timing_cache(self):
        return self._cache


class Builder:
    def __init__(self, logger):
        self._logger = logger

    def create_network(self, flags):
        assert flags == 1 << NetworkDefinitionCreationFlag.STRONGLY_TYPED
        return Network()

    def create_builder_config(self):
        return Config()

    def create_optimization_profile(self):
        return Profile()

    def build_serialized_network(self, network, config):
        assert config.workspace >= 1 << 20
        if os.environ.get("SIM_FAILS") == "build":
            self._logger.log(ILogger.ERROR, "Could not find any implementation for node conv2d\nand more")
            return None
        config.get_timing_cache().content = f"timings of {__version__}".encode()
        smallest, _, largest = config.profile.shapes[network.get_input(0).name]
        return HostMemory(__version__.encode().ljust(16) + struct.pack("<2I", smallest[0], largest[0]) + network.model)


class Runtime:
    def __init__(self, logger):
        self._logger = logger

    def deserialize_cuda_engine(self, plan):
        if plan[:16].strip() != __version__.encode():
            self._logger.log(ILogger.ERROR, "The engine plan file is not compatible with this version of TensorRT")
            return None
        return Engine(plan, self._logger)


class Engine:
    def __init__(self, plan, logger):
        self.logger = logger
        self.smallest, self.largest = struct.unpack("<2I", plan[16:24])
        self.session = session_of(plan[24:])
        self.tensors = {v.name: v for v in (*self.session.get_inputs(), *self.session.get_outputs())}
        self.num_io_tensors = len(self.tensors)

    def get_tensor_name(self, index):
        return list(self.tensors)[index]

    def get_tensor_mode(self, name):
        return TensorIOMode.INPUT if name == self.session.get_inputs()[0].name else TensorIOMode.OUTPUT

    def get_tensor_dtype(self, name):
        return TYPES[self.tensors[name].type]

    def get_tensor_shape(self, name):
        return Tensor(self.tensors[name]).shape

    def get_tensor_profile_shape(self, name, index):
        rest = self.get_tensor_shape(name)[1:]
        return [Dims((batch, *rest)) for batch in ((self.smallest, 1, self.largest)[index:])]

    def create_execution_context(self):
        return Context(self)


class Context:
    def __init__(self, engine):
        self._engine, self._shape, self._addresses = engine, None, {}

    def set_input_shape(self, name, shape):
        engine = self._engine
        if not engine.smallest <= shape[0] <= engine.largest or shape[1:] != engine.get_tensor_shape(name)[1:]:
            engine.logger.log(ILogger.ERROR, f"Static dimension mismatch while setting input shape to {shape}")
            return False
        self._shape = shape
        return True

    def set_tensor_address(self, name, address):
        self._addresses[name] = address
        return cuda.is_allocated(address)

    def execute_async_v3(self, stream):
        (given,), (wanted,) = self._engine.session.get_inputs(), self._engine.session.get_outputs()
        images = cuda.view(self._addresses[given.name], self._shape, np.uint8)
        (vectors,) = self._engine.session.run(None, {given.name: images})
        if os.environ.get("SIM_WRONG"):
            vectors = vectors[:, ::-1]
        cuda.view(self._addresses[wanted.name], vectors.shape, np.float32)[:] = vectors
        return cuda.is_stream(stream)


def session_of(model):
    return onnxruntime.InferenceSession(bytes(model), providers=["CPUExecutionProvider"])
