"""What a method says of itself, known without loading torch.

A method is one file, or one folder, and one line in `METHODS`:

    @dataclass(frozen=True)
    class ToySettings:
        strength: float = setting(1.0, "How strongly it plays.", least=0)

    def _adapt(task: Task) -> Adapted:
        from ... import ...                     # torch and what needs it
        ...

    TOY = Method("Toy", "It plays.", adapt=_adapt, settings=ToySettings)

From that come `--method toy`, its options with their help, the check that an option belongs to the method that runs,
the names that `--config` knows, the heads it takes, and what run.json says of its settings.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from edgefs_runtime.decision.heads import HEADS

if TYPE_CHECKING:
    from edgefs.data import Dataset, Split
    from edgefs.data.domains import TwoDomains
    from edgefs.methods.task import Adapted, Task
    from edgefs.progress import Steps
    from edgefs.settings.adapt import AdaptSettings
    from edgefs_runtime.images.preprocess import Preprocess


class Read(NamedTuple):
    """What a method that reads DATA by itself found."""

    dataset: Dataset
    split: Split
    domains: TwoDomains | None


@dataclass(frozen=True)
class Method:
    """A way of transfer learning.

    Attributes:
        title: what it is called in a sentence, such as `Feature extraction`.
        summary: a sentence on what it does, for `--help`.
        adapt: does the work; imports torch when it is called.
        settings: dataclass of what only this method can be told, each field a `setting`; None where there is nothing.
        head: the one that decides where none is asked for.
        gallery_heads: whether `--head` may name any head that is computed from a gallery.
        trained_heads: heads that the method trains.
        fits: a sentence on when it is the right one, for who has it chosen by `auto`.
        trials: what `auto` tries of it, one after the other, each with its name for the report; None where it can't.
        seconds: about how long its trials take, by a task and the views of an image; None where that is nearly nothing.
        needs: what it needs beside DATA, as `--method auto`, which has only that, tells it; empty where nothing.
        read: reads and divides DATA, for a method that does so in its own way.
        check: refuses what can be refused in a moment; imports no torch.
        chooses: whether it chooses among the others, whose settings then apply as well.
        projects: whether all stages of the backbone as it is are projected, so that rendering can begin at once.
    """

    title: str
    summary: str
    adapt: Callable[[Task], Adapted]
    settings: type[Any] | None = None
    head: str = "blend"
    gallery_heads: bool = True
    trained_heads: tuple[str, ...] = ()
    fits: str = ""
    trials: Callable[[Task], Iterator[tuple[str, Adapted]]] | None = None
    seconds: Callable[[Task, int], float] | None = None
    needs: str = ""
    read: Callable[[Path, AdaptSettings, Preprocess, Steps], Read] | None = None
    check: Callable[[AdaptSettings], None] | None = None
    chooses: bool = False
    projects: bool = False

    @property
    def heads(self) -> tuple[str, ...]:
        """The heads that it takes, the default first."""
        others = (*(HEADS if self.gallery_heads else ()), *self.trained_heads)
        return tuple(dict.fromkeys((self.head, *others)))
