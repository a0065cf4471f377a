"""Shapes that operators make which look through windows at a picture: convolutions, poolings, resizing, borders."""

from __future__ import annotations

from edgefs_runtime.base.graph.given import Given, Shape, named_axes


def pooled_whole(given: Given) -> list[Shape]:
    """One number for each channel."""
    return [given.shape(0)[:2] + (1,) * (len(given.shape(0)) - 2)]


def _windows(given: Given, kernel: list[int]) -> Shape:
    """Spatial size of what a convolution or a pooling makes."""
    sizes = given.shape(0)[2:]
    count, result = len(sizes), []
    strides, dilations = given.many("strides", [1] * count), given.many("dilations", [1] * count)
    pads = given.many("pads", [0] * 2 * count)
    for n, size in enumerate(sizes):
        if given.auto_pad.startswith(b"SAME"):
            result.append(-(-size // strides[n]))
            continue
        span = size + pads[n] + pads[n + count] - dilations[n] * (kernel[n] - 1) - 1
        result.append((-(-span // strides[n]) if given.one("ceil_mode", 0) else span // strides[n]) + 1)
    return tuple(result)


def convolved(given: Given) -> list[Shape]:
    """As many channels as there are kernels."""
    weights = given.shape(1)
    return [(given.shape(0)[0], weights[0], *_windows(given, list(weights[2:])))]


def pooled(given: Given) -> list[Shape]:
    """The same channels, from windows."""
    shape = given.shape(0)
    return [shape[:2] + _windows(given, given.many("kernel_shape", [1] * (len(shape) - 2)))] * given.outputs


def deconvolved(given: Given) -> list[Shape]:
    """Each number spread over a window."""
    shape, weights = given.shape(0), given.shape(1)
    sizes, count = shape[2:], len(shape) - 2
    strides, dilations = given.many("strides", [1] * count), given.many("dilations", [1] * count)
    pads, more = given.many("pads", [0] * 2 * count), given.many("output_padding", [0] * count)
    found = [
        strides[n] * (size - 1) + more[n] + dilations[n] * (weights[2 + n] - 1) + 1 - pads[n] - pads[n + count]
        for n, size in enumerate(sizes)
    ]
    if given.auto_pad.startswith(b"SAME"):
        found = [size * strides[n] for n, size in enumerate(sizes)]
    return [(shape[0], weights[1] * given.one("group", 1), *given.many("output_shape", found))]


def padded(given: Given) -> list[Shape]:
    """A border around it."""
    shape = given.shape(0)
    pads = given.attributes.get("pads") or given.needed(1)
    axes = named_axes(given, len(shape), 3) or [*range(len(shape))]
    more = {axis: pads[n] + pads[n + len(axes)] for n, axis in enumerate(axes)}
    return [tuple(size + more.get(n, 0) for n, size in enumerate(shape))]


def resized(given: Given) -> list[Shape]:
    """To the sizes that it is told, or by factors; of some axes or of all."""
    shape = given.shape(0)
    axes = named_axes(given, len(shape), None) or [*range(len(shape))]
    factors = given.factors[2] if len(given.factors) > 2 else None
    sizes = dict(zip(axes, factors or given.needed(3), strict=True))
    return [tuple(int(sizes.get(n, 1 if factors else size) * (size if factors else 1)) for n, size in enumerate(shape))]


def folded(given: Given) -> list[Shape]:
    """Channels laid out as blocks of pixels."""
    count, channels, *sizes = given.shape(0)
    block = given.one("blocksize", 1)
    return [(count, channels // block ** len(sizes), *(size * block for size in sizes))]


def unfolded(given: Given) -> list[Shape]:
    """Blocks of pixels laid out as channels."""
    count, channels, *sizes = given.shape(0)
    block = given.one("blocksize", 1)
    return [(count, channels * block ** len(sizes), *(size // block for size in sizes))]
