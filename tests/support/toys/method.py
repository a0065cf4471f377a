"""A method: feature extraction that says a word of its own as often as it is told."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import TYPE_CHECKING

from edgefs.methods import Method
from edgefs.settings.adapt import AdaptSettings
from edgefs.settings.setting import setting
from edgefs_runtime.base.errors import EdgefsError

if TYPE_CHECKING:
    from edgefs.methods.task import Adapted, Task


@dataclass(frozen=True)
class ToySettings:
    toy_option: int = setting(1, "How often it says hello.", least=0)


def _adapt(task: Task) -> Adapted:
    from edgefs.methods.features.method import adapt_features  # torch is loaded here and not before

    adapted = adapt_features(task)
    return dataclasses.replace(adapted, notes=("hello " * task.settings.of(ToySettings).toy_option, *adapted.notes))


def _check(settings: AdaptSettings) -> None:
    if settings.of(ToySettings).toy_option == 13:
        raise EdgefsError("--toy-option 13: expected a number that is not unlucky; take another")


TOY = Method("Toy", "It plays.", adapt=_adapt, settings=ToySettings, head="prototype", check=_check)
