"""Which of several models is faster on this machine, measured so that they meet the same weather."""

from __future__ import annotations

import time
from collections.abc import Mapping

import numpy as np

_UNCOUNTED = 3  # rounds


def interleaved(models: Mapping[str, bytes], shape: tuple[int, ...], rounds: int = 50) -> dict[str, float]:
    """Median seconds of one inference of each model: one process, one thread each, in turns.

    Args:
        models: by name; each has one input, uint8.
        shape: of the input, such as `(1, 224, 224, 3)`.
        rounds: turns that count.
    """
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    options.intra_op_num_threads = 1
    sessions = {
        name: onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
        for name, model in models.items()
    }
    image = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
    seconds: dict[str, list[float]] = {name: [] for name in models}
    for turn in range(-_UNCOUNTED, rounds):
        for name, session in sessions.items():
            feed = {session.get_inputs()[0].name: image}
            session.run(None, feed)  # the other's weights have left the cache
            began = time.perf_counter()
            session.run(None, feed)
            if turn >= 0:
                seconds[name].append(time.perf_counter() - began)
    return {name: float(np.median(taken)) for name, taken in seconds.items()}
