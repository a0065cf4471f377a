"""What stands in a report: data only, so that `adapt`, `evaluate` and `export` can fill it each in their way."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath, PureWindowsPath

from edgefs.data.samples import relative_name
from edgefs.evaluation import Evaluation
from edgefs.evaluation.curve import CurvePoint
from edgefs_runtime.base.errors import ImageError
from edgefs_runtime.decision.decision import Decision
from edgefs_runtime.images.preprocess import Preprocess
from edgefs_runtime.images.thumbnails import thumbnail


@dataclass(frozen=True)
class Mistake:
    """One image that went wrong.

    Attributes:
        name: its path relative to the data folder.
        truth: its class.
        nearest: the class it was nearest to; None without a decision.
        refused: whether it was refused as unknown.
        probability: probability of `nearest`, 0 to 1.
        p_value: how strange it looked, 0 to 1; small is strange.
        jpeg: a thumbnail, or empty bytes where the image can't be shown.
    """

    name: str
    truth: str
    nearest: str | None
    refused: bool
    probability: float | None
    p_value: float | None
    jpeg: bytes = b""

    def __post_init__(self) -> None:
        _check_relative(self.name)


@dataclass(frozen=True)
class LeftOut:
    """A file that was not used: its path relative to the data folder, and why."""

    name: str
    reason: str

    def __post_init__(self) -> None:
        _check_relative(self.name)


@dataclass(frozen=True)
class TrainingPoint:
    """How good a network was after an epoch, 0 to 1; epoch 0 is before the first."""

    epoch: int
    value: float


@dataclass(frozen=True)
class Candidate:
    """One embedding that was tried: cross-validated accuracy on the support images and its standard error, 0 to 1."""

    name: str
    accuracy: float
    standard_error: float
    chosen: bool = False


@dataclass(frozen=True)
class Group:
    """Values of one kind of image in a `Distribution`, such as those of known classes, and how many were refused."""

    name: str
    values: tuple[float, ...]
    refused: int = 0


@dataclass(frozen=True)
class Distribution:
    """How a value separates groups of images.

    Attributes:
        name: what the value is, for the axis: `p-value`.
        groups: one histogram each, on a common axis.
        threshold: the value at or below which images are refused; None draws no line.
        hint: a sentence about it.
    """

    name: str
    groups: tuple[Group, ...]
    threshold: float | None = None
    hint: str = ""


@dataclass(frozen=True)
class Report:
    """Everything a report shows; what is empty is left out.

    Attributes:
        title: name of the model or of the run.
        summary: one sentence with the headline figures; empty takes the evaluation's own.
        notes: what was done, in sentences.
        settings: (name, value) pairs. Of a value that is an absolute path, only the last part is shown.
        evaluation: the figures; None where nothing could be measured (the notes say why).
        evaluated_on: which images the figures are from: `120 test images that were not used for learning`.
        mistakes: the worst first.
        left_out: files that were not used.
        data_notes: what was noticed about the data: duplicates, near-duplicates, defects that may vanish.
        learning_curve: accuracy against images per class, by rising shots.
        training: the course of a training, by rising epochs.
        trained_for: what its points are, for the heading.
        candidates: embeddings that were compared, in the order they are to be listed.
        distribution: for instance the p-values of known and of refused images.
        timings: (step, seconds) pairs.
        created: when, as text.
        version: of edgefs.
        anonymous: for the bundle, which customers pass on and which must be the same bytes for the same model: no
            dates, no timings, no file names, no images.
    """

    title: str
    summary: str = ""
    notes: tuple[str, ...] = ()
    settings: tuple[tuple[str, str], ...] = ()
    evaluation: Evaluation | None = None
    evaluated_on: str = ""
    mistakes: tuple[Mistake, ...] = ()
    left_out: tuple[LeftOut, ...] = ()
    data_notes: tuple[str, ...] = ()
    learning_curve: tuple[CurvePoint, ...] = ()
    training: tuple[TrainingPoint, ...] = ()
    trained_for: str = ""
    candidates: tuple[Candidate, ...] = ()
    distribution: Distribution | None = None
    timings: tuple[tuple[str, float], ...] = ()
    created: str = ""
    version: str = ""
    anonymous: bool = False

    def public(self) -> Report:
        """A copy of the report without what tells when, where and on whose images it was made.

        Texts (title, summary, notes, evaluated_on) and relative paths among the settings are kept as they are.
        """
        settings = tuple((name, value) for name, value in self.settings if not is_absolute(value))
        return dataclasses.replace(
            self, settings=settings, mistakes=(), left_out=(), data_notes=(), timings=(), created="", anonymous=True
        )

    def left_out_reasons(self) -> list[tuple[str, int]]:
        """(reason, files), the commonest first."""
        reasons = Counter(left_out.reason for left_out in self.left_out)
        return sorted(reasons.items(), key=lambda item: (-item[1], item[0]))


def describe_mistakes(
    evaluation: Evaluation,
    truths: Sequence[str],
    decisions: Sequence[Decision],
    paths: Sequence[Path],
    root: Path,
    preprocess: Preprocess,
    limit: int = 24,
) -> tuple[Mistake, ...]:
    """The worst mistakes with their thumbnails; `paths` lie below `root`. An unreadable image is described without.

    `preprocess` says which page of a file is looked at.
    """
    return tuple(
        Mistake(
            name=relative_name(paths[position], root),
            truth=truths[position],
            nearest=decisions[position].nearest,
            refused=decisions[position].label is None,
            probability=decisions[position].probability,
            p_value=decisions[position].p_value,
            jpeg=_thumbnail_or_nothing(paths[position], preprocess),
        )
        for position in evaluation.mistakes[:limit]
    )


def is_absolute(text: str) -> bool:
    """Whether a text is an absolute path on any system."""
    return PurePosixPath(text).is_absolute() or PureWindowsPath(text).is_absolute()


def _thumbnail_or_nothing(path: Path, preprocess: Preprocess) -> bytes:
    try:
        return thumbnail(preprocess.open(path), longer=160)
    except ImageError:
        return b""


def _check_relative(name: str) -> None:
    """A report is passed on; where the data lay on somebody's disk is nobody's business."""
    if is_absolute(name) or ".." in PurePosixPath(name).parts:
        raise ValueError(f"a report shows paths relative to the data folder; got {name!r}")
