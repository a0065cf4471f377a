"""Build a TensorRT plan for this GPU from the bytes of an ONNX model."""

from __future__ import annotations

from dataclasses import dataclass

import tensorrt

from edgefs_runtime.base.errors import ProviderError
from edgefs_runtime.base.onnx_gate import refuse_strange_network
from edgefs_runtime.base.wording import first_line
from edgefs_runtime.embedders.tensorrt.logger import Logger, started


@dataclass(frozen=True)
class EnginePlan:
    """What was built.

    Attributes:
        plan: the serialised engine.
        timing_cache: how fast what TensorRT tried was; the next engine of this device is built faster with it.
    """

    plan: bytes
    timing_cache: bytes


def build_plan(model: bytes, largest_batch: int, workspace: int, timing_cache: bytes = b"") -> EnginePlan:
    """Build an engine for batches from 1, for which it is tuned, to `largest_batch`.

    Args:
        model: ONNX, uint8 `[N,H,W,3]` to float32 `[N,D]`. Its types decide the precision.
        largest_batch: images.
        workspace: bytes that an operator may use besides its tensors.
        timing_cache: of an earlier build on this device, or nothing.

    Raises:
        BundleError: the file holds what no exported network does.
        ProviderError: TensorRT can't read the model, or can't build an engine.
    """
    refuse_strange_network(model, "embedder.onnx")
    logger = Logger()
    builder = started(tensorrt.Builder, logger)
    # The flag's bit is another one in TensorRT 11, where every network is strongly typed.
    network = builder.create_network(1 << int(tensorrt.NetworkDefinitionCreationFlag.STRONGLY_TYPED))
    _parse(model, network, logger)
    config = builder.create_builder_config()
    config.set_memory_pool_limit(tensorrt.MemoryPoolType.WORKSPACE, workspace)
    config.add_optimization_profile(_profile(builder, network, largest_batch))
    _use_timing_cache(config, timing_cache)
    plan = builder.build_serialized_network(network, config)
    if plan is None:
        raise ProviderError(f"TensorRT {tensorrt.__version__} can't build an engine{logger.because()}")
    timings = config.get_timing_cache()
    return EnginePlan(bytes(plan), b"" if timings is None else bytes(timings.serialize()))


def _parse(model: bytes, network: tensorrt.INetworkDefinition, logger: Logger) -> None:
    parser = tensorrt.OnnxParser(network, logger)
    if parser.parse(model):
        return
    said = logger.error
    if parser.num_errors:
        error = parser.get_error(0)
        where = f" (at {error.node_operator()} {error.node_name()!r})" if error.node_operator() else ""
        said = f"{first_line(ValueError(error.desc()))}{where}"
    raise ProviderError(
        f"TensorRT {tensorrt.__version__} can't read embedder.onnx: {said}; export for it: "
        "`edgefs export RUN -o FILE --target tensorrt`"
    )


def _profile(
    builder: tensorrt.Builder, network: tensorrt.INetworkDefinition, largest_batch: int
) -> tensorrt.IOptimizationProfile:
    images = network.get_input(0)
    height_width_channels = [int(images.shape[axis]) for axis in (1, 2, 3)]
    one, most = (tensorrt.Dims([batch, *height_width_channels]) for batch in (1, largest_batch))
    profile = builder.create_optimization_profile()
    profile.set_shape(images.name, one, one, most)
    return profile


def _use_timing_cache(config: tensorrt.IBuilderConfig, content: bytes) -> None:
    """Begin with timings that were kept, or with none where TensorRT refuses them: of another GPU or version."""
    cache = config.create_timing_cache(content)
    if cache is None or not config.set_timing_cache(cache, False):
        config.set_timing_cache(config.create_timing_cache(b""), False)
