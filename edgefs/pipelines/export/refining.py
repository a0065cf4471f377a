"""Classes of few images refined by unlabelled ones before a bundle is written, as a device would do it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from edgefs.pipelines.export.plan import ExportPlan
from edgefs_runtime.base.errors import ExportError
from edgefs_runtime.base.wording import counted
from edgefs_runtime.decision.judge import Judge
from edgefs_runtime.decision.snapshot import Enrolment
from edgefs_runtime.embedders.protocol import Embedder
from edgefs_runtime.images import content_digest
from edgefs_runtime.teach.enrolment import Teaching
from edgefs_runtime.teach.refine import refinements, sentences_of


@dataclass(frozen=True)
class Refined:
    """What unlabelled images did.

    Attributes:
        enrolments: what they add to classes.
        classes: how many images each class was refined by.
        passed_over: how many are images of the RUN itself.
    """

    enrolments: tuple[Enrolment, ...]
    classes: Mapping[str, int]
    passed_over: int

    @property
    def sentences(self) -> list[str]:
        """What was refined, in sentences."""
        own = f"{counted(self.passed_over, 'unlabelled image')} passed over, which the RUN learned from or tests on."
        return [*sentences_of(self.classes), *([own] if self.passed_over else [])]


def check_refinable(plan: ExportPlan) -> None:
    """Refuse what can't be refined.

    Raises:
        ExportError: the head is a trained one.
    """
    if plan.head is not None:
        raise ExportError(
            f"--unlabelled refines what is computed from the gallery, and the head {plan.head.kind} is trained"
        )


def refine(plan: ExportPlan, judge: Judge, embedder: Embedder, images: Sequence[Path]) -> Refined:
    """Refine what a judge knows, in the embedding that ships.

    Images of the RUN are passed over: the figures of a bundle must not be those of images that taught it.

    Args:
        plan: the RUN.
        judge: decides by the RUN's support.
        embedder: the exported model.
        images: files; the last that can be judged are looked at, as `Classifier.refine` does.
    """
    own = {sample.digest for sample in (*plan.train, *plan.test)}
    others = [path for path in images if not path.is_file() or content_digest(path) not in own]
    seen = Teaching(plan.preprocess, embedder).unlabelled(others)
    found = refinements(judge.snapshot, seen, ()) if seen else []
    return Refined(
        enrolments=tuple(enrolment for enrolment, _ in found),
        classes={enrolment.label: used for enrolment, used in found},
        passed_over=len(images) - len(others),
    )
