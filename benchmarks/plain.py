"""What somebody who never heard of edgefs would write to run an exported network: one function for each runtime.

    python benchmarks/plain.py onnxruntime|openvino|openvino-f32 MODEL.onnx IMAGES.npy OUT.npy

IMAGES is uint8 `[N,H,W,3]`, OUT what the network computes of them one by one.
"""

import os
import sys

os.environ["ORT_DISABLE_TELEMETRY"] = "1"  # as edgefs does: a measurement talks to nobody

import numpy as np


def by_onnxruntime(model, images):
    import onnxruntime

    session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name
    return [session.run(None, {name: image[None]})[0] for image in images]


def by_openvino(model, images, **properties):
    """Embed by OpenVINO, which computes, as it comes, in bfloat16 on processors that have it."""
    import openvino

    compiled = openvino.Core().compile_model(model, "CPU", properties)
    return [np.array(compiled(image[None])[0]) for image in images]


def by_openvino_f32(model, images):
    return by_openvino(model, images, INFERENCE_PRECISION_HINT="f32")


RUNTIMES = {"onnxruntime": by_onnxruntime, "openvino": by_openvino, "openvino-f32": by_openvino_f32}

if __name__ == "__main__":
    runtime, model, images, out = sys.argv[1:]
    np.save(out, np.concatenate(RUNTIMES[runtime](model, np.load(images))))
    assert not any(name.startswith("edgefs") for name in sys.modules)
