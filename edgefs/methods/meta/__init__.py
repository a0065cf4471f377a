"""Meta-learning (`--method meta`): what it can be told; see `adapt` for the work, and CARD.md beside it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from edgefs.methods.declaration import Method
from edgefs.settings.setting import setting
from edgefs_runtime.base.errors import DataError

if TYPE_CHECKING:
    from edgefs.methods.task import Adapted, Task
    from edgefs.settings.adapt import AdaptSettings


@dataclass(frozen=True)
class MetaSettings:
    """How a network is meta-trained; each field says what it means for `--help` as well.

    `protonet` is Snell et al. 2017 (arXiv:1703.05175), `anil` Raghu et al. 2020 (arXiv:1909.09157).
    """

    tasks: str | None = setting(
        None,
        "The folder that meta-training learns from: TASK/CLASS/*, or CLASS/* alone; it has to be given.",
        metavar="DIR",
    )
    algorithm: Literal["protonet", "anil"] = setting("protonet", "The algorithm of meta-training.")
    ways: int | None = setting(
        None,
        "The number of classes in an episode.",
        shown="5, for protonet on an untrained network 48; all where there are fewer",
        least=2,
    )
    episode_shots: int = setting(1, "The number of images of each class in an episode's support.", least=1)
    queries: int = setting(4, "The number of images of each class that an episode asks about.", least=1)
    episodes: int | None = setting(
        None,
        "The number of episodes to train on, in all.",
        shown="400; for an untrained network 6,000 of protonet, 24,000 of anil",
        least=1,
    )
    within_tasks: bool = setting(False, "Draw all classes of an episode from one task, not from all of them.")
    class_rotations: bool = setting(False, "Count a class turned by a quarter as another class.")
    class_mirrors: bool = setting(False, "Count a mirrored class as another class.")
    inner_steps: int = setting(5, "The number of gradient steps on the head, for anil.", least=1)
    unfreeze: int = setting(
        1,
        "How many of the last stages learn, where the network is pretrained; all of an untrained one do.",
        least=0,
        metavar="STAGES",
    )
    augment: Literal["auto", "none"] = setting(
        "auto", "Whether images are turned, stretched and shifted a little each time they are seen."
    )


def _adapt(task: Task) -> Adapted:
    from edgefs.methods.meta.adapt import adapt_meta

    return adapt_meta(task)


def _check(settings: AdaptSettings) -> None:
    tasks = settings.of(MetaSettings).tasks
    if tasks is not None and not Path(tasks).is_dir():
        raise DataError(f"--tasks {tasks}: no such folder")


META = Method(
    "Meta-learning",
    "An embedding is trained over many tasks, episode by episode, and then meets DATA with a few images.",
    adapt=_adapt,
    settings=MetaSettings,
    head="prototype",
    needs="--method meta --tasks DIR, where there are many sets to learn from",
    check=_check,
)
