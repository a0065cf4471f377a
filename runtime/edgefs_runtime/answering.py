"""The way of a frame to its decision, which is one for the device and the workstation.

    sight_of(source, preprocess)      what the network is shown, or why that can't be judged    images.usable
    embedder.embed(pixels)            onnxruntime, TensorRT, or torch before there is an export
    judge.decide_about(seen)          the embedding mapped where the camera changed; the head; the verdict

`predict`, `evaluate` and `bench` go it here. Who keeps embeddings (challenge parts, the tables of `adapt` and `export`)
begins with the same first step and ends with the same last one.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from edgefs_runtime.base.errors import ImageError
from edgefs_runtime.decision.decision import Decision
from edgefs_runtime.decision.judge import Judge
from edgefs_runtime.embedders.protocol import Embedder
from edgefs_runtime.images import ImageSource
from edgefs_runtime.images.preprocess import Preprocess
from edgefs_runtime.images.sources import Frame
from edgefs_runtime.images.usable import misfit, sight_of


class Read(NamedTuple):
    """A frame that can be read: what it was made of, what the network is shown, and why that can't be judged."""

    source: ImageSource
    pixels: NDArray[np.uint8]
    reason: str


class Answering:
    """How a model sees images that are asked about."""

    def __init__(self, preprocess: Preprocess, embedder: Embedder) -> None:
        self._preprocess = preprocess
        self._embedder = embedder

    def read(self, frame: Frame) -> Read | ImageError:
        """Bring a frame to the network's input; an error names it."""
        try:
            source = frame.source()
            return Read(source, *sight_of(source, self._preprocess))
        except ImageError as error:
            return frame.named(error)

    def answers(
        self, judge: Judge, frames: Sequence[Read | ImageError], part_ids: Sequence[str | None]
    ) -> Iterator[Decision | ImageError]:
        """One answer for each frame, in their order; those that show something are embedded together."""
        shown = [frame.pixels[None] for frame in frames if isinstance(frame, Read) and not frame.reason]
        rows = iter(self._embedder.embed(np.concatenate(shown) if len(shown) > 1 else shown[0]) if shown else ())
        for frame, part_id in zip(frames, part_ids, strict=True):
            if isinstance(frame, ImageError):
                yield frame
            else:
                yield self._warned(judge.decide_about(frame.reason or next(rows), part_id), frame)

    def answer(self, judge: Judge, frame: Frame) -> Decision | ImageError:
        """The answer for one frame."""
        return next(self.answers(judge, [self.read(frame)], [None]))

    def _warned(self, decision: Decision, frame: Read) -> Decision:
        """Add what the raw values of a judged frame say about the bundle's window."""
        warning = "" if frame.reason else misfit(frame.pixels, frame.source, self._preprocess)
        return dataclasses.replace(decision, warning=warning) if warning else decision
