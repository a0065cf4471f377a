"""Domain adaptation (`--method domain`): what it can be told; see `method` for the work, and CARD.md beside it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from edgefs.methods.declaration import Method, Read
from edgefs.settings.setting import setting
from edgefs_runtime.base.errors import DataError

if TYPE_CHECKING:
    from edgefs.methods.task import Adapted, Task
    from edgefs.progress import Steps
    from edgefs.settings.adapt import AdaptSettings
    from edgefs_runtime.images.preprocess import Preprocess


@dataclass(frozen=True)
class DomainSettings:
    """How a source's labels are made to serve a target; each field says what it means for `--help` as well.

    `dann` is a gradient reversal (Ganin et al. 2016, arXiv:1505.07818), `coral` Deep CORAL (Sun and Saenko 2016,
    arXiv:1607.01719).
    """

    source: str | None = setting(
        None,
        "Labelled images of another domain, in any layout of DATA; it has to be given.",
        metavar="DIR",
    )
    domain_loss: Literal["dann", "coral", "none"] | None = setting(
        None,
        "What brings the two domains together; none learns from the source alone.",
        shown="dann, or no training where --adapt-bn or --align ask for a cheap kind",
    )
    adapt_bn: bool = setting(False, "Estimate the statistics of batch normalisation on the target's images.")
    align: Literal["mean", "moments", "coral"] | None = setting(
        None, "Which moments of frozen embeddings are brought together.", shown="none"
    )
    task_labels: Literal["source", "target", "both"] | None = setting(
        None,
        "Whose labels the task is learned from.",
        shown="both where the target has labels, else source",
    )
    domain_weight: float = setting(0.3, "The weight λ of the domain loss at the end of its schedule.", least=0)
    feature_rate: float | None = setting(
        None,
        "The backbone's learning rate, as a share of --lr.",
        shown="0.1 where it came with weights, else 1",
        least=0,
    )
    self_training: bool = setting(True, "Whether a teacher's sure answers on the target are learned from as well.")
    invert: bool | None = setting(
        None,
        "Whether a negative of an image is still of its class; half of the images are then learned from so.",
        shown="invert where the backbone comes untrained",
    )


def _adapt(task: Task) -> Adapted:
    from edgefs.methods.domain.method import adapt_domain

    return adapt_domain(task)


def _read(data: Path, settings: AdaptSettings, preprocess: Preprocess, steps: Steps) -> Read:
    from edgefs.data.domains import load_domains

    own = settings.of(DomainSettings)
    return Read(*load_domains(data, settings, preprocess, steps, source=own.source, task_labels=own.task_labels))


def _check(settings: AdaptSettings) -> None:
    source = settings.of(DomainSettings).source
    if source is not None and not Path(source).exists():
        raise DataError(f"--source {source}: no such file or folder")


DOMAIN = Method(
    "Domain adaptation",
    "A network is learned on one domain's labels and made to serve another, DATA, that has few or none.",
    adapt=_adapt,
    settings=DomainSettings,
    needs="--method domain --source DIR, where a shifted set has the labels",
    read=_read,
    check=_check,
)
