"""What `edgefs distill` can be told."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Literal

from edgefs.settings.adapt import COMPUTING, FRAME, RUN, TRAINING, AdaptSettings
from edgefs.settings.choices import STUDENT_SIZE, STUDENTS, Precision
from edgefs.settings.setting import like, setting

NETWORKS = "Networks"


@dataclass(frozen=True)
class DistillSettings:
    """Settings of a distillation; each field says what it means for `edgefs distill --help` as well."""

    teacher: str = setting(
        "mobilenet_v2", "The large network: one of torchvision's, or nano.", NETWORKS, metavar="NAME"
    )
    teacher_weights: str | None = setting(
        None,
        "The teacher's weights: a .pth or .safetensors file, or the name of a torchvision set.",
        NETWORKS,
        shown="those that the teacher's source has",
        metavar="FILE",
    )
    teacher_size: int | None = setting(
        None,
        "The height and width of what the teacher sees.",
        NETWORKS,
        shown="its own",
        least=32,
        metavar="PIXELS",
    )
    student: str = setting("nano", "The small network.", NETWORKS, named={name: name for name in STUDENTS})
    start: Literal["packaged", "random"] | None = setting(
        None,
        "The student's first values: those that travel in the package, which nano alone has, or random ones.",
        NETWORKS,
        shown="packaged where there are any and an archive teaches, else random",
    )
    size: int = setting(
        STUDENT_SIZE,
        "The height and width of what the student sees, a multiple of 32.",
        NETWORKS,
        least=32,
        most=4096,
        metavar="PIXELS",
    )
    epochs: int = setting(12, "The number of epochs to train for.", TRAINING, least=1)
    pictures: int = setting(
        3000, "The most pictures in an epoch; each epoch draws or renders others.", TRAINING, least=1
    )
    views: int = setting(
        4, "The number of random crops of each picture; the teacher is asked about each.", TRAINING, least=1
    )
    batch: int = setting(64, "The number of views in a training step.", TRAINING, least=2)
    lr: float = setting(2e-3, "The largest learning rate; a cosine brings it to nothing.", TRAINING, above=0)
    roi: tuple[int, int, int, int] | None = like(AdaptSettings, "roi")
    rotation: int = like(AdaptSettings, "rotation")
    channels: Literal["rgb", "mono"] = like(AdaptSettings, "channels")
    window: tuple[int, int] | None = like(AdaptSettings, "window")
    page: int | None = like(AdaptSettings, "page")
    damaged: Literal["refuse", "keep"] = like(AdaptSettings, "damaged")
    workers: int = setting(
        os.cpu_count() or 1,
        "The number of processes that render.",
        COMPUTING,
        shown="one for each processor",
        least=0,
    )
    seed: int = setting(0, "The number that picks pictures, views and their order.", TRAINING)
    device: str = like(AdaptSettings, "device")
    devices: int = like(AdaptSettings, "devices")
    precision: Precision = like(AdaptSettings, "precision")
    name: str | None = like(AdaptSettings, "name", help="The student's name.", shown="the name of the RUN's folder")


HEADINGS = (RUN, NETWORKS, TRAINING, FRAME, COMPUTING)  # of the help
