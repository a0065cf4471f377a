"""What `edgefs distill` can be told."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Literal

from edgefs.settings.choices import STUDENT_SIZE, Precision


@dataclass(frozen=True)
class DistillSettings:
    """Who teaches whom, and for how long.

    Attributes:
        teacher: a backbone by name.
        teacher_weights: as `--weights` of `adapt`.
        teacher_size: height and width of what the teacher sees, pixels; None takes its own.
        student: a key of `STUDENTS`.
        start: from the student's packaged weights or from random ones; None takes the packaged ones where there are
            any, unless what is rendered teaches it.
        size: height and width of what the student sees, pixels, a multiple of 32.
        epochs: each draws new pictures and new views of them.
        pictures: of an epoch, at most.
        views: random crops of each picture, each of which the teacher is asked about.
        batch: views of a step.
        lr: the largest learning rate; a cosine brings it to nothing.
        roi: region of interest of an archive's images (left, top, width, height), pixels.
        rotation: counter-clockwise degrees: 0, 90, 180 or 270.
        channels: `rgb`, or `mono` to drop colour.
        window: (black, white) raw values of frames with more than 8 bits; None lets the images choose.
        page: which page or frame of a file is looked at, from 1; None where each file holds one picture.
        damaged: `refuse`, or `keep` what can be decoded of a JPEG whose scan is damaged.
        workers: processes that render.
        seed: picks pictures, views and their order.
        device: `auto`, `cpu`, `cuda`, `cuda:1` …
        devices: GPUs to train on.
        precision: of the arithmetic.
        name: of the student; None takes the RUN's.
    """

    teacher: str = "mobilenet_v2"
    teacher_weights: str | None = None
    teacher_size: int | None = None
    student: str = "nano"
    start: Literal["packaged", "random"] | None = None
    size: int = STUDENT_SIZE
    epochs: int = 12
    pictures: int = 3000
    views: int = 4
    batch: int = 64
    lr: float = 2e-3
    roi: tuple[int, int, int, int] | None = None
    rotation: int = 0
    channels: Literal["rgb", "mono"] = "rgb"
    window: tuple[int, int] | None = None
    page: int | None = None
    damaged: Literal["refuse", "keep"] = "refuse"
    workers: int = os.cpu_count() or 1
    seed: int = 0
    device: str = "auto"
    devices: int = 1
    precision: Precision = "auto"
    name: str | None = None
