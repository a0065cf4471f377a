"""What `adapt` can be told."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from edgefs.settings.choices import Optimizer, Precision, Schedule
from edgefs_runtime.images.preprocess import Resize

BnStats = Literal["frozen", "train"]


@dataclass(frozen=True)
class FinetuneSettings:
    """How a network is fine-tuned.

    Attributes:
        unfreeze: how many of the last stages learn; 0 trains the head alone, None takes the default (`UNFREEZE`).
        l2sp: λ of λ‖θ − θs‖² over the shared layers that learn (Li et al. 2018, arXiv:1802.01483).
        stage_rate: learning rate of the stages, as a share of the head's.
        layer_decay: factor of the learning rate from each stage to the one before it, 0 to 1.
        bn_stats: `frozen` keeps the statistics of batch normalisation as they came; `train` is the textbook way.
        augment: `auto` turns and mirrors as the symmetries allow, crops and changes the light a little; `none`.
        folds: the support is cross-fitted in; thresholds, temperature and the comparison with the frozen network come
            from them. 0 leaves it: then nothing honest is known of the support.
        search: choose rate, depth and λ among a few by the folds.
    """

    unfreeze: int | None = None
    l2sp: float = 0.0
    stage_rate: float = 0.3
    layer_decay: float = 1.0
    bn_stats: BnStats = "frozen"
    augment: Literal["auto", "none"] = "auto"
    folds: int = 3
    search: bool = False


@dataclass(frozen=True)
class MetaSettings:
    """How a network is meta-trained.

    Attributes:
        tasks: folder of what is learned from, `TASK/CLASS/*`.
        algorithm: `protonet` (Snell et al. 2017), or `anil` (Raghu et al. 2020).
        ways: classes of an episode; None takes the default, or all classes where there are fewer.
        episode_shots: images of each class in an episode's support.
        queries: images of each class asked about.
        episodes: to train on, in all; None takes the default.
        within_tasks: draw the classes of an episode from one task; without it from all of them.
        class_rotations: a class turned by a quarter is a class of its own.
        class_mirrors: so is a mirrored one.
        inner_steps: gradient steps on the head, for `anil`.
        unfreeze: how many of the last stages learn, where the network is pretrained.
        augment: `auto` turns, stretches and shifts each image a little; `none`.
    """

    tasks: str | None = None
    algorithm: Literal["protonet", "anil"] = "protonet"
    ways: int | None = None
    episode_shots: int = 1
    queries: int = 4
    episodes: int | None = None
    within_tasks: bool = False
    class_rotations: bool = False
    class_mirrors: bool = False
    inner_steps: int = 5
    unfreeze: int = 1
    augment: Literal["auto", "none"] = "auto"


@dataclass(frozen=True)
class DomainSettings:
    """How a source's labels are made to serve a target.

    Attributes:
        source: folder or CSV file of labelled images.
        domain_loss: `dann` (gradient reversal), `coral` (Deep CORAL) or `none` (the source alone); None is `dann`, or
            no training at all where `adapt_bn` or `align` ask for a cheap kind.
        adapt_bn: estimate the statistics of batch normalisation on the target.
        align: bring moments of frozen embeddings together; None leaves them.
        task_labels: whose labels the task is learned from; None takes both where the target has some.
        domain_weight: λ at the end of its schedule.
        feature_rate: learning rate of the backbone, as a factor; None takes 0.1 where it came with weights, else 1.
        self_training: learn from a teacher's sure answers on the target as well.
        invert: whether a negative of an image is still of its class; half of the images are then learned from so. None
            takes it to be so where the backbone comes untrained, and not where it was trained on photographs.
    """

    source: str | None = None
    domain_loss: Literal["dann", "coral", "none"] | None = None
    adapt_bn: bool = False
    align: Literal["mean", "moments", "coral"] | None = None
    task_labels: Literal["source", "target", "both"] | None = None
    domain_weight: float = 0.3
    feature_rate: float | None = None
    self_training: bool = True
    invert: bool | None = None


@dataclass(frozen=True)
class AdaptSettings:
    """Everything that `adapt` can be told; the defaults are what a first run should use.

    Attributes:
        method: a key of `METHODS`.
        backbone: its name; None takes MobileNetV2 where its weights can be had, else `nano`.
        weights: a file, or the name of one of torchvision's sets.
        shots: images of each class to learn from; None uses all.
        seed: picks splits and whatever else is random.
        device: `auto`, `cpu`, `cuda`, `cuda:1` …
        ok: classes of good parts, beside those whose names say so.
        good_only: learn from the classes of good parts alone; all others test whether they are told as unknown.
        without: classes to leave out, as if the folder did not hold them: to be taught on the device, or to test with.
        group_from: regular expression that takes a part's name from a file name.
        name: of the model; None takes the data folder's.
        succeeds: RUN or bundle of the model whose successor this one is; None where it is none.
        size: (height, width) of the network's input, pixels; None takes the backbone's.
        roi: region of interest (left, top, width, height), pixels.
        rotation: counter-clockwise degrees: 0, 90, 180 or 270.
        channels: `rgb`, or `mono` to drop colour.
        resize: `stretch`, `pad` or `crop`.
        window: (black, white) raw values of frames with more than 8 bits; None lets the images choose.
        page: which page or frame of a file is looked at, from 1; None where each file holds one picture.
        damaged: `refuse`, or `keep` what can be decoded of a JPEG whose scan is damaged.
        dim: numbers of an embedding, at most; 0 leaves all that the stages give.
        symmetries: in which an image that teaches is seen as well, keys of the runtime's `SYMMETRIES`; None takes all
            that the input's shape allows, unless the images learned from are clearly told better with fewer.
        head: one of `HEADS_OF` the method; None takes its first.
        budget: share of parts of known classes that may be refused as unknown.
        unknown: verdict for a part that no class fits.
        overkill: share of ok parts that may be judged NG, as unknown or as a defect; None leaves it to `budget`.
        escape_cost: how many overkills one escape costs; None goes by the nearest class.
        use_cache: remember embeddings between runs.
        epochs: of training; this and the five after it are for methods that train, None takes the method's default.
        lr: learning rate.
        batch: images, or episodes, of a step.
        optimizer: see `TrainingSettings`, as the next two.
        schedule: of the learning rate.
        precision: of the arithmetic.
        devices: GPUs to train on.
        time_budget: minutes that `auto` may try things for; None takes its default.
        finetune: for that method.
        meta: for that method.
        domain: for that method.
    """

    method: str = "features"
    backbone: str | None = None
    weights: str | None = None
    shots: int | None = None
    seed: int = 0
    device: str = "auto"
    ok: tuple[str, ...] = ()
    good_only: bool = False
    without: tuple[str, ...] = ()
    group_from: str | None = None
    name: str | None = None
    succeeds: str | None = None
    size: tuple[int, int] | None = None
    roi: tuple[int, int, int, int] | None = None
    rotation: int = 0
    channels: Literal["rgb", "mono"] = "rgb"
    resize: Resize = "stretch"
    window: tuple[int, int] | None = None
    page: int | None = None
    damaged: Literal["refuse", "keep"] = "refuse"
    dim: int = 512
    symmetries: tuple[str, ...] | None = None
    head: str | None = None
    budget: float = 0.05
    unknown: Literal["NG", "RECHECK"] = "NG"
    overkill: float | None = None
    escape_cost: float | None = None
    use_cache: bool = True
    epochs: int | None = None
    lr: float | None = None
    batch: int | None = None
    optimizer: Optimizer | None = None
    schedule: Schedule | None = None
    precision: Precision = "auto"
    devices: int = 1
    time_budget: float | None = None
    finetune: FinetuneSettings = field(default_factory=FinetuneSettings)
    meta: MetaSettings = field(default_factory=MetaSettings)
    domain: DomainSettings = field(default_factory=DomainSettings)
