"""Answers for frames, of which several are embedded at once where that pays."""

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
from edgefs_runtime.images.exposure import misfit, why_unusable
from edgefs_runtime.images.preprocess import Preprocess
from edgefs_runtime.images.sources import Frame
from edgefs_runtime.images.usable import unusable


class Read(NamedTuple):
    """What the network sees of a frame, uint8 RGB `[H,W,3]`, and what it was made of, where that is at hand."""

    pixels: NDArray[np.uint8]
    source: ImageSource | None = None


class Answering:
    """How a bundle sees images that are asked about."""

    def __init__(self, preprocess: Preprocess, embedder: Embedder) -> None:
        self._preprocess = preprocess
        self._embedder = embedder

    def read(self, frame: Frame) -> Read | ImageError:
        """Bring a frame to the network's input; an error names it."""
        try:
            source = frame.source()
            return Read(self._preprocess(source), source)
        except ImageError as error:
            return frame.named(error)

    def answers(
        self, judge: Judge, frames: Sequence[Read | ImageError], part_ids: Sequence[str | None]
    ) -> Iterator[Decision | ImageError]:
        """One answer for each frame, in their order; those that show something are embedded together."""
        reasons = [self._unusable(frame) if isinstance(frame, Read) else "" for frame in frames]
        shown = [
            frame.pixels
            for frame, reason in zip(frames, reasons, strict=True)
            if isinstance(frame, Read) and not reason
        ]
        rows = iter(self._embedder.embed(np.stack(shown)) if shown else ())
        for frame, reason, part_id in zip(frames, reasons, part_ids, strict=True):
            if isinstance(frame, ImageError):
                yield frame
            elif reason:
                yield judge.no_decision(reason, part_id)
            else:  # row by row: what is decided must not depend, in its last bit, on what was asked beside it
                decision = judge.decide(judge.snapshot.seen(next(rows)[None]), [part_id])[0]
                yield self._warned(decision, frame)

    def _unusable(self, frame: Read) -> str:
        if frame.source is None:
            return unusable(frame.pixels)
        return why_unusable(frame.pixels, frame.source, self._preprocess)

    def _warned(self, decision: Decision, frame: Read) -> Decision:
        """With what the frame's raw values have to say about the bundle's window."""
        warning = "" if frame.source is None else misfit(frame.pixels, frame.source, self._preprocess)
        return dataclasses.replace(decision, warning=warning) if warning else decision
