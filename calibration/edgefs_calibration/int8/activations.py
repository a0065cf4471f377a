"""What a network computes in between, image by image: memory stays that of one batch, however many images there are."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

import numpy as np
import onnx
from numpy.typing import NDArray

from edgefs_runtime.base.errors import DataError, ExportError

MIN_IMAGES = 8  # fewer say nothing of a range


def check_images(model: bytes, images: NDArray[np.uint8]) -> None:
    """Refuse images that a network can't be calibrated on.

    Args:
        model: maps uint8 `[N,H,W,3]` to anything.
        images: uint8 `[N,H,W,3]`.

    Raises:
        DataError: fewer than `MIN_IMAGES`, of another size than the model's input, or all alike.
    """
    height, width = input_size(model)
    if images.dtype != np.uint8 or images.ndim != 4 or images.shape[3] != 3:
        raise DataError(f"calibration images: expected uint8 [N,H,W,3], got {images.dtype} {list(images.shape)}")
    if images.shape[1:3] != (height, width):
        raise DataError(
            f"calibration images are {images.shape[2]} x {images.shape[1]} pixels and the model takes "
            f"{width} x {height}; prepare them by the model's own preprocessing"
        )
    if len(images) < MIN_IMAGES:
        raise DataError(
            f"{len(images)} calibration images: int8 ranges need at least {MIN_IMAGES}, better 100; add images"
        )
    if (images == images[:1]).all():
        raise DataError(f"the {len(images)} calibration images are all alike; give images as the camera takes them")


def image_digest(image: NDArray[np.uint8]) -> str:
    """Hex SHA-256 of the pixels `[H,W,3]`."""
    return hashlib.sha256(image.tobytes()).hexdigest()


def input_size(model: bytes) -> tuple[int, int]:
    """(height, width) of a model's input, pixels.

    Raises:
        ExportError: the model has no one input of a fixed size.
    """
    inputs = onnx.load_from_string(model).graph.input
    dims = [dim.dim_value for dim in inputs[0].type.tensor_type.shape.dim] if len(inputs) == 1 else []
    if len(dims) != 4 or not all(dims[1:3]):
        raise ExportError("the model can't be calibrated: expected one input, uint8 [N,H,W,3] of a fixed size")
    return dims[1], dims[2]


def map_names(model: onnx.ModelProto) -> list[str]:
    """Names of the float maps `[N,C,H,W]` that a network computes, in the order it does."""
    inferred = onnx.shape_inference.infer_shapes(model)
    ranks = {
        value.name: len(value.type.tensor_type.shape.dim)
        for value in (*inferred.graph.value_info, *inferred.graph.output)
        if value.type.tensor_type.elem_type == onnx.TensorProto.FLOAT
    }
    return [name for node in model.graph.node for name in node.output if ranks.get(name) == 4]


def activations(model: bytes, images: NDArray[np.uint8], batch: int) -> Iterator[dict[str, NDArray[np.float32]]]:
    """The maps `[n,C,H,W]` of `batch` images at a time, by tensor name."""
    import onnxruntime

    proto = onnx.load_from_string(model)
    names = map_names(proto)
    proto.graph.output.extend(
        onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, None)
        for name in names
        if name not in {output.name for output in proto.graph.output}
    )
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(proto.SerializeToString(), options, providers=["CPUExecutionProvider"])
    source = session.get_inputs()[0].name
    for start in range(0, len(images), batch):
        yield dict(zip(names, session.run(names, {source: images[start : start + batch]}), strict=True))
