"""Meta-learning: train an embedding over many tasks, then meet a new one with a few images.

min over θ of Σᵢ L(θ; Sᵢ, Qᵢ), where each episode i has a support Sᵢ and queries Qᵢ of classes of its own. Nothing is
trained on DATA: its images are embedded and become the gallery, so what leave-one-out says of them is honest.

- `tasks` reads what is learned from, `episodes` draws from it.
- `protonet` and `anil` are what an episode is about; `objective` is what the training loop sees of them.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

from edgefs.backbones.conv4 import Conv4
from edgefs.methods.embedding import embed_all
from edgefs.methods.features.method import adapt_features
from edgefs.methods.meta import MetaSettings
from edgefs.methods.meta.anil import Anil
from edgefs.methods.meta.episodes import EpisodeSampler, hold_out
from edgefs.methods.meta.network import embedding_network, own_backbone, projected
from edgefs.methods.meta.objective import EpisodicNetwork, MetaObjective
from edgefs.methods.meta.protonet import ProtoNet
from edgefs.methods.meta.tasks import TaskClass, read_tasks
from edgefs.methods.task import Adapted, Task
from edgefs.training import History, TrainingSettings, make_fabric, train
from edgefs_runtime.base.errors import DataError, TrainingError


@dataclass(frozen=True)
class _Defaults:
    """What suits a network of random values, and one that has learned to see."""

    ways: int
    batch: int  # episodes of a step
    episodes: int
    epochs: int
    lr: float


_DEFAULTS = {
    ("protonet", False): _Defaults(ways=48, batch=1, episodes=6000, epochs=30, lr=5e-3),
    ("anil", False): _Defaults(ways=5, batch=8, episodes=24_000, epochs=30, lr=5e-3),
    ("protonet", True): _Defaults(ways=5, batch=1, episodes=400, epochs=8, lr=1e-4),
    ("anil", True): _Defaults(ways=5, batch=1, episodes=400, epochs=8, lr=1e-4),
}
_WEIGHT_DECAY = 1e-4
_NAMES = {"protonet": "prototypical networks", "anil": "ANIL"}


def adapt_meta(task: Task) -> Adapted:
    """Meta-train the backbone on `--tasks`, then embed DATA.

    Raises:
        DataError: the tasks hold too little, or nothing that DATA doesn't.
        TrainingError: no tasks were named, nothing is to learn, or the loss is no number any more.
    """
    settings = task.settings.of(MetaSettings)
    if settings.tasks is None:
        raise TrainingError("--method meta learns from many tasks: pass --tasks DIR, a folder of TASK/CLASS/*.png")
    defaults = _DEFAULTS[settings.algorithm, task.backbone.trained]
    known = {sample.digest for side in (task.split.train, task.split.validation, task.split.test) for sample in side}
    tasks = read_tasks(
        Path(settings.tasks),
        task.preprocess,
        images=settings.episode_shots + settings.queries,
        known=known,
        steps=task.steps,
    )
    learned, held_out, sentence = hold_out(tasks.classes, task.seed)
    episodes = EpisodeSampler(
        learned,
        _ways(settings, defaults, learned),
        settings.episode_shots + settings.queries,
        settings.within_tasks,
        settings.class_rotations,
        settings.class_mirrors,
        task.seed,
    )
    backbone = own_backbone(task)
    network = embedding_network(task, backbone)
    criterion = _criterion(settings)
    module = EpisodicNetwork(network, criterion, train_norms=not task.backbone.trained)
    objective, training = _objective(task, module, episodes, held_out, defaults)
    history = train(
        objective,
        training,
        fabric=make_fabric(task.device, task.settings.devices, training.precision),
        place=task.checkpoints.place(f"meta {tasks.digest}"),
        progress=task.steps("meta-train"),
    )
    network = projected(task, backbone, network)
    symmetries, views = _views(task, settings)
    return Adapted(
        network=network,
        embedded=embed_all(task, network, symmetries),
        preprocess=task.in_views(symmetries),
        decision=task.deciding(head=_head(task, criterion)),
        candidates=(),
        notes=(*tasks.notes, sentence, _explain(settings, objective, training, history), views),
    )


def _ways(settings: MetaSettings, defaults: _Defaults, learned: list[TaskClass]) -> int:
    counts = [sum(one.task == task for one in learned) for task in {one.task for one in learned}]
    most = max(counts) if settings.within_tasks else len(learned)
    if most < 2 or (settings.ways or 0) > most:
        asked = f"--ways {settings.ways}" if settings.ways else "an episode takes at least 2 classes"
        where = "the largest task holds" if settings.within_tasks else "the tasks hold"
        cure = f"pass --ways {most} or fewer, or more tasks" if most >= 2 else "pass more tasks"
        raise DataError(f"{asked}: {where} {most} classes to learn from, beside those that validate; {cure}")
    return settings.ways or min(defaults.ways, most)


def _criterion(settings: MetaSettings) -> ProtoNet | Anil:
    if settings.algorithm == "anil":
        return Anil(settings.episode_shots, settings.inner_steps)
    return ProtoNet(settings.episode_shots)


def _objective(
    task: Task, module: EpisodicNetwork, episodes: EpisodeSampler, held_out: list[TaskClass], defaults: _Defaults
) -> tuple[MetaObjective, TrainingSettings]:
    asked, settings = task.settings, task.settings.of(MetaSettings)
    batch, epochs = asked.batch or defaults.batch, asked.epochs or defaults.epochs
    objective = MetaObjective(
        module=module,
        episodes=episodes,
        held_out=held_out,
        steps=math.ceil((settings.episodes or defaults.episodes) / (batch * epochs)),
        batch=batch,
        augment=settings.augment == "auto",
        device=task.device,
    )
    training = TrainingSettings(
        epochs=epochs,
        lr=asked.lr or defaults.lr,
        optimizer=asked.optimizer or "adamw",
        weight_decay=_WEIGHT_DECAY,
        schedule=asked.schedule or "cosine",
        precision=asked.precision,
        seed=task.seed,
    )
    return objective, training


def _head(task: Task, criterion: ProtoNet | Anil) -> dict[str, float]:
    """The temperature belongs to cosines, not to another head's scores."""
    if isinstance(criterion, ProtoNet) and task.decision.head["kind"] == "prototype":
        return {"temperature": criterion.temperature}
    return {}


def _views(task: Task, settings: MetaSettings) -> tuple[tuple[str, ...], str]:
    """Symmetries asked for; else none where a turned image was another class, or feature extraction's choice."""
    turned = settings.class_rotations or settings.class_mirrors
    if task.symmetries is None and not turned and not isinstance(task.backbone.network, Conv4):
        frozen = adapt_features(task.of_support_alone())
        return frozen.symmetries, frozen.notes[-1]
    symmetries = task.symmetries or ()
    why = "as asked for" if task.symmetries is not None else "--symmetry adds those that keep a class"
    return symmetries, f"Views of an image that teaches: {1 + len(symmetries)}; {why}."


def _explain(settings: MetaSettings, objective: MetaObjective, training: TrainingSettings, history: History) -> str:
    episodes, criterion = objective.episodes, objective.module.criterion
    before, after = history.epochs[0].validation or 0.0, history.validation or 0.0
    count = objective.steps * objective.batch * training.epochs
    ways = min(episodes.ways, len(objective.held_out))
    kept = " The network stays as it came: no epoch was better." if history.best == 0 else ""
    return (
        f"Meta-trained by {_NAMES[settings.algorithm]}: {count:,} episodes, {episodes.ways}-way "
        f"{settings.episode_shots}-shot with {settings.queries} queries of each class. {ways}-way one-shot on the "
        f"classes held out: {100 * before:.1f} % before, {100 * after:.1f} % after (epoch {history.best} of "
        f"{training.epochs}); {criterion.learned}.{kept}"
    )
