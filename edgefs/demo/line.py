"""Which class of a data set is kept back as the one that nobody taught, and which of its images teach it later."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from edgefs.data import Dataset, Sample, load_dataset
from edgefs.data.splits.parts import draw_key
from edgefs.data.splits.shots import draw_shots
from edgefs.progress import Steps
from edgefs_runtime.base.errors import DataError
from edgefs_runtime.decision.decision import default_disposition

TAUGHT_LATER = 5  # images that the device is taught the new class from
_SHOTS = 20


@dataclass(frozen=True)
class NewClass:
    """The class that is kept back."""

    label: str
    shots: tuple[Path, ...]
    asked: tuple[Path, ...]


def keep_back(data: Path, label: str | None, group_from: str | None, seed: int, steps: Steps) -> tuple[NewClass, int]:
    """The class to keep back, and how many shots of each other class to learn from.

    Args:
        data: folder or CSV file.
        label: the class; None takes the defect with most images.
        group_from: as in `adapt`.
        seed: picks the images.
        steps: told how the work goes on.

    Raises:
        DataError: fewer than three classes, or too few images of one.
    """
    dataset = load_dataset(
        data, group_from=group_from, minimum_classes=3, leave_out_blank=True, progress=steps("read images")
    )
    chosen = label or _largest_defect(dataset)
    own = [sample for sample in dataset.samples if sample.label == chosen]
    if not own:
        raise DataError(f"{data}: no class {chosen!r}; the classes are {', '.join(dataset.classes)}")
    draw = draw_shots(own, [chosen], TAUGHT_LATER, seed, spare=1)
    shots = tuple(own[position].path for position in draw.shots)
    asked = tuple(sample.path for sample in _some([own[position] for position in draw.rest], seed))
    others = Counter(sample.label for sample in dataset.samples if sample.label != chosen)
    return NewClass(chosen, shots, asked), min(_SHOTS, max(1, min(others.values()) // 2))


def _largest_defect(dataset: Dataset) -> str:
    defects = {label: count for label, count in dataset.counts.items() if default_disposition(label) == "defect"}
    return max(defects or dataset.counts, key=lambda label: (dataset.counts[label], label))


def _some(samples: list[Sample], seed: int, most: int = 200) -> list[Sample]:
    return sorted(samples, key=lambda sample: draw_key(seed, "demo", sample.digest))[:most]
