"""Fine-tuning (`--method finetune`): what it can be told; see `method` for the work, and CARD.md beside it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from edgefs.methods.declaration import Method
from edgefs.settings.setting import setting

if TYPE_CHECKING:
    from edgefs.methods.task import Adapted, Task

UNFREEZE = 4  # last stages that learn, where nothing is said: of six, those that see more than edges
BnStats = Literal["frozen", "train"]


@dataclass(frozen=True)
class FinetuneSettings:
    """How a network is fine-tuned; each field says what it means for `--help` as well.

    `l2sp` is λ of λ‖θ − θs‖² over the shared layers that learn (Li et al. 2018, arXiv:1802.01483). Without `folds`
    nothing honest is known of the support.
    """

    unfreeze: int | None = setting(
        None,
        "How many of the last stages learn; with 0 the head alone does.",
        shown=str(UNFREEZE),
        least=0,
        metavar="STAGES",
    )
    l2sp: float = setting(0.0, "The weight λ of the penalty on leaving the source weights (L2-SP).", least=0)
    stage_rate: float = setting(0.3, "The learning rate of the stages, as a share of --lr.", least=0)
    layer_decay: float = setting(
        1.0, "The factor of the learning rate from each stage to the one before it.", least=0, most=1
    )
    bn_stats: BnStats = setting(
        "frozen", "Whether the statistics of batch normalisation stay frozen or are trained, as textbooks have it."
    )
    augment: Literal["auto", "none"] = setting(
        "auto", "Whether images are turned, cropped and lit anew each time they are seen."
    )
    folds: int = setting(
        3, "The number of folds of the cross-fitting that thresholds come from; 0 leaves it out.", least=0
    )
    search: bool = setting(False, "Choose learning rate, depth and λ among a few by the folds.")


def _adapt(task: Task) -> Adapted:
    from edgefs.methods.finetune.method import adapt_finetune

    return adapt_finetune(task)


def _trials(task: Task) -> Iterator[tuple[str, Adapted]]:
    from edgefs.methods.finetune.trials import try_finetuning

    return try_finetuning(task)


def _seconds(task: Task, views: int) -> float:
    from edgefs.methods.finetune.trials import seconds_of_finetuning

    return seconds_of_finetuning(task, views)


FINETUNE = Method(
    "Fine-tuning",
    "The last stages learn the line's images, and the head with them; the others stay as they were pretrained.",
    adapt=_adapt,
    settings=FinetuneSettings,
    head="cosine",
    gallery_heads=False,
    trained_heads=("cosine", "linear"),
    fits="Fine-tuning fits where they are similar and there are more of them: the last stages learn the line.",
    trials=_trials,
    seconds=_seconds,
    projects=True,
)
