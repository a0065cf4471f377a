"""What `adapt` can be told, whatever the method; what only one method can be told stands with that method.

AdaptSettings(method="finetune", shots=5, own=(FinetuneSettings(unfreeze=1),))
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeVar

from edgefs.settings.choices import Optimizer, Precision, Schedule
from edgefs.settings.setting import setting
from edgefs_runtime.images.preprocess import SYMMETRIES, Resize

METHOD, DATA, FRAME, SUPPORT = "Method", "Data", "Frame", "Support and seed"
EMBEDDING, DECISION, TRAINING = "Embedding", "Decision", "Training"
RUN, COMPUTING = "The RUN", "Computing"

_NAMED_SYMMETRIES: dict[str, tuple[str, ...] | None] = {
    "auto": None,
    "none": (),
    "h": ("h",),
    "v": ("v",),
    "flips": ("h", "v", "hv"),
    "all": tuple(name for name in SYMMETRIES if name),
}
_OF_THE_METHOD = "the method's own"
Own = TypeVar("Own")


@dataclass(frozen=True)
class AdaptSettings:
    """Everything that `adapt` can be told; the defaults are what a first run should use.

    Each field says what it means for `edgefs adapt --help` as well. Sizes and regions are pixels; None stands for what
    is `shown`.

    Attributes:
        own: settings of methods that have some, one object of each class; a class that is not there has its defaults.
    """

    method: str = setting("features", "The way of transfer learning; each has its part of this help.", METHOD)
    backbone: str | None = setting(
        None,
        "The pretrained network.",  # which there are, the command adds: `edgefs.backbones.sources`
        EMBEDDING,
        shown="mobilenet_v2 where its weights can be had, else nano",
        metavar="NAME",
    )
    weights: str | None = setting(
        None,
        "The backbone's weights: a .pth or .safetensors file, or the name of a torchvision set.",
        EMBEDDING,
        shown="those that the backbone's source has",
        metavar="FILE",
    )
    shots: int | None = setting(
        None, "The number of images of each class to learn from.", SUPPORT, shown="all", least=1
    )
    seed: int = setting(0, "The number that picks splits and whatever else is random.", SUPPORT)
    device: str = setting("auto", "What computes: auto, cpu, cuda, cuda:1 …", COMPUTING)
    ok: tuple[str, ...] = setting(
        (), "A class of good parts, beside good, ok, normal and free; may be repeated.", DATA, metavar="LABEL"
    )
    good_only: bool = setting(
        False, "Learn from good parts alone; the others test whether they are told as unknown.", SUPPORT
    )
    without: tuple[str, ...] = setting(
        (),
        "A class to pass over, so that it can be taught on the device later; may be repeated.",
        DATA,
        metavar="LABEL",
    )
    group_from: str | None = setting(
        None,
        "A regular expression that takes the part (lot, patient) from a file name; a part's images stay together.",
        DATA,
        metavar="REGEX",
    )
    name: str | None = setting(None, "The model's name.", RUN, shown="the name of DATA's folder")
    succeeds: str | None = setting(
        None,
        "The model whose successor this one is: a device that has the old one's gallery says how to carry over.",
        RUN,
        metavar="RUN|BUNDLE",
    )
    size: tuple[int, int] | None = setting(
        None,
        "The height and width of the network's input in pixels.",
        FRAME,
        shown="the backbone's own",
        least=16,
        most=4096,
        metavar="HEIGHT WIDTH",
    )
    roi: tuple[int, int, int, int] | None = setting(
        None,
        "The region of interest in pixels; what lies outside is cut off.",
        FRAME,
        shown="the whole frame",
        least=0,
        metavar="LEFT TOP WIDTH HEIGHT",
    )
    rotation: int = setting(
        0,
        "The degrees that a frame is turned by, counter-clockwise.",
        FRAME,
        named={"0": 0, "90": 90, "180": 180, "270": 270},
    )
    channels: Literal["rgb", "mono"] = setting("rgb", "Whether colours are kept or dropped.", FRAME)
    resize: Resize = setting(
        "stretch",
        "How a frame of another shape is fitted into the network's input: stretched, padded, or cropped.",
        FRAME,
    )
    window: tuple[int, int] | None = setting(
        None,
        "The raw values that frames with more than 8 bits show as black and as white.",
        FRAME,
        shown="the sensor's, chosen from the images",
        least=0,
        most=65535,
        metavar="BLACK WHITE",
    )
    page: int | None = setting(
        None,
        "The page or frame, from 1, that is looked at in files with several; without it such files are left out.",
        FRAME,
        least=1,
    )
    damaged: Literal["refuse", "keep"] = setting(
        "refuse", "JPEG files whose scan is damaged: leave them out, or take what can be decoded.", FRAME
    )
    dim: int = setting(
        512, "The most numbers that an embedding may have; 0 keeps all that the stages give.", EMBEDDING, least=0
    )
    symmetries: tuple[str, ...] | None = setting(
        None,
        "How a part may be turned and stay in its class: h mirrors left to right, v upside down, flips both and each; "
        "auto lets the images decide.",
        SUPPORT,
        named=_NAMED_SYMMETRIES,
        option="symmetry",
    )
    head: str | None = setting(
        None, "What decides from the embeddings; each method takes some.", DECISION, shown="the method's first"
    )
    budget: float = setting(
        0.05, "The share of known parts that may be refused as unknown.", DECISION, least=0, below=1
    )
    unknown: Literal["NG", "RECHECK"] = setting("NG", "The verdict for a part that no class fits.", DECISION)
    overkill: float | None = setting(
        None,
        "The share of good parts that may be judged NG, as unknown or as a defect: 0.01 is 1 %.",
        DECISION,
        shown="what --budget leads to",
        above=0,
        below=1,
        metavar="SHARE",
    )
    escape_cost: float | None = setting(
        None,
        "How many overkills one escape costs; this sets the operating point between good parts and defects.",
        DECISION,
        shown="the nearest class decides",
        above=0,
        metavar="RATIO",
    )
    use_cache: bool = setting(
        True, "Compute every embedding anew and keep none for the next time.", COMPUTING, option="no-cache"
    )
    epochs: int | None = setting(None, "The number of epochs to train for.", TRAINING, shown=_OF_THE_METHOD, least=1)
    lr: float | None = setting(None, "The learning rate.", TRAINING, shown=_OF_THE_METHOD, above=0)
    batch: int | None = setting(
        None,
        "The number of images (of episodes, in meta-learning) in a training step.",
        TRAINING,
        shown=_OF_THE_METHOD,
        least=1,
    )
    optimizer: Optimizer | None = setting(None, "The optimiser.", TRAINING, shown=_OF_THE_METHOD)
    schedule: Schedule | None = setting(
        None, "How the learning rate goes on over the epochs.", TRAINING, shown=_OF_THE_METHOD
    )
    precision: Precision = setting(
        "auto", "The arithmetic of training; auto takes bf16 on a GPU that has it.", COMPUTING
    )
    devices: int = setting(1, "The number of GPUs to train on.", COMPUTING, least=1)
    time_budget: float | None = setting(
        None,
        "How long --method auto may try things for.",
        "--method auto",
        shown="20",
        above=0,
        metavar="MINUTES",
    )
    own: tuple[object, ...] = ()

    def of(self, kind: type[Own]) -> Own:
        """The settings of a method, by their class."""
        return next((one for one in self.own if isinstance(one, kind)), kind())

    def to_json(self, own: Mapping[str, type[Any]]) -> dict[str, Any]:
        """All fields by their names, those of each method below its name.

        Args:
            own: class of the settings of each method that has some.
        """
        shared = {name: getattr(self, name) for name in (field.name for field in dataclasses.fields(self))}
        del shared["own"]
        return {**shared, **{name: dataclasses.asdict(self.of(kind)) for name, kind in own.items()}}
