"""Two folders become two domains: a source with labels, and a target with all of its labels, a few, or none.

An unlabelled target is a folder that holds images directly, or `train/` that does; `test/<class>/` beside it is never
learned from. Every other layout is a labelled target, of which `--shots K` leaves K labels a class; the other images of
its training side are looked at without theirs.
"""

from __future__ import annotations

import dataclasses
import hashlib
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

from edgefs.data import Dataset, Sample, Split, load_dataset, split_dataset, with_blank
from edgefs.data.reading import read_unlabelled
from edgefs.data.samples import dataset_digest
from edgefs.data.splits.allocation import allocate
from edgefs.data.splits.parts import draw_key, find_parts
from edgefs.data.splits.shots import draw_shots
from edgefs.progress import Steps
from edgefs.settings.adapt import AdaptSettings
from edgefs_runtime.base.errors import DataError
from edgefs_runtime.base.labels import normal_label
from edgefs_runtime.base.wording import counted
from edgefs_runtime.images.listing import entries, passed_over
from edgefs_runtime.images.preprocess import Preprocess
from edgefs_runtime.images.usable import Window

GALLERY_PER_CLASS = 40  # source images that stand in the gallery where the target has no labels
_HELD_OUT = 0.1  # of the source, to see whether its own task was learned; of the target, to see what is usual there
_KEPT_OUT = 20, 500  # images of the target, fewest and most
_LARGEST_SHARE = 0.25  # of the target that may be kept out to have the fewest
_FEWEST = 16  # unlabelled images, below which there is no domain to speak of


@dataclass(frozen=True)
class TwoDomains:
    """What the domain method learns from.

    Attributes:
        source: labelled images to learn from.
        source_held_out: labelled images of the source that are not; may be empty.
        target: images whose labels are not looked at, the labelled ones of `Split.train` included.
        target_held_out: others of the target that are not learned from, and whose labels nobody looks at; may be empty.
        labelled: whether `Split.train` is of the target; else it is a selection of the source.
    """

    source: tuple[Sample, ...]
    source_held_out: tuple[Sample, ...]
    target: tuple[Sample, ...]
    target_held_out: tuple[Sample, ...]
    labelled: bool


def load_domains(
    data: Path,
    settings: AdaptSettings,
    preprocess: Preprocess,
    steps: Steps,
    *,
    source: str | None,
    task_labels: str | None = None,
) -> tuple[Dataset, Split, TwoDomains]:
    """Read both, divide the target, and check that they speak of the same classes.

    Both are looked at through one window, which is the target's: a device will see the target.

    Args:
        data: the target.
        settings: how images are read and divided.
        preprocess: from file to network input.
        steps: told what is being done.
        source: the folder or table of labelled images, as it was given.
        task_labels: whose labels are asked for, `source`, `target` or `both`; None takes what there is.

    Raises:
        DataError: no source, a source without labels, classes that only one of them has, or labels are asked for that
            are not there.
    """
    if settings.good_only:
        raise DataError("--good-only is not for --method domain, which carries all classes of the source over")
    place, choose = _place_of_source(source, data), settings.window is None
    if folder := unlabelled_folder(data):
        _check_unlabelled(folder, settings.shots, task_labels)
        return _unlabelled(folder, data, place, settings, preprocess, steps)
    target = _load(data, settings, steps, "read target images", preprocess, choose)
    labelled_source, window = _load_source(place, settings, preprocess, target.window, steps)
    _check_classes(labelled_source.classes, target.classes, place)
    split = with_blank(_divide(target, settings), target.blank, settings.seed)
    learned, held_out = _hold_out(labelled_source, settings.seed)
    labelled = {sample.digest for sample in split.train}
    train = [sample for sample in target.samples if _may_be_looked_at(sample, split)]
    train, kept_out = _keep_out(train, split.train, settings.seed)
    unlabelled = tuple(sorted(train, key=lambda sample: sample.digest not in labelled))
    note = (
        f"Domains: {counted(len(learned), 'labelled source image')}, {counted(len(unlabelled), 'target image')}, of "
        f"which {len(split.train):,} with the label."
    )
    dataset = dataclasses.replace(target, digest=_joined(target.digest, labelled_source.digest), window=window)
    return (
        dataset,
        dataclasses.replace(split, notes=(*split.notes, note)),
        TwoDomains(learned, held_out, unlabelled, kept_out, True),
    )


def unlabelled_folder(data: Path) -> Path | None:
    """The folder whose images have no labels; None where the target is labelled."""
    for folder in (data, data / "train"):
        if folder.is_dir():
            found = entries(folder)
            if found.images and not any(one.name.lower() not in ("test", "train") for one in found.folders):
                return folder
    return None


def _place_of_source(given: str | None, data: Path) -> Path:
    if given is None:
        raise DataError("--method domain learns from a source; pass --source with a folder of labelled images")
    place = Path(given)
    if place.resolve() == data.resolve():
        raise DataError(f"--source {given}: that is the target itself; pass the labelled images of another domain")
    if unlabelled_folder(place):
        raise DataError(f"--source {given}: its images have no labels; put them into one folder per class")
    return place


def _load_source(
    place: Path, settings: AdaptSettings, preprocess: Preprocess, window: Window | None, steps: Steps
) -> tuple[Dataset, Window | None]:
    """The source through the target's window, or, where the target has none, through one of its own; and which."""
    choose = settings.window is None and window is None
    source = _load(place, settings, steps, "read source images", _through(preprocess, window), choose)
    return source, window or source.window


def _through(preprocess: Preprocess, window: Window | None) -> Preprocess:
    return preprocess if window is None else dataclasses.replace(preprocess, window=window)


def _load(
    place: Path, settings: AdaptSettings, steps: Steps, step: str, preprocess: Preprocess, choose: bool
) -> Dataset:
    dataset = load_dataset(
        place,
        group_from=settings.group_from,
        leave_out_blank=True,
        preprocess=preprocess,
        choose_window=choose,
        progress=steps(step),
    )
    if not settings.without:
        return dataset
    without = {normal_label(label) for label in settings.without}
    kept = tuple(sample for sample in dataset.samples if sample.label not in without)
    return dataclasses.replace(dataset, samples=kept, classes=tuple(sorted({sample.label for sample in kept})))


def _check_classes(source: Sequence[str], target: Collection[str], place: Path, *, partly: bool = False) -> None:
    """Refuse classes that only one domain has; `partly` lets the target lack some, as its test images may."""
    missing = sorted(set(target) - set(source))
    surplus = [] if partly else sorted(set(source) - set(target))
    if missing or surplus:
        label, where, other = (missing[0], "target", "source") if missing else (surplus[0], "source", "target")
        raise DataError(
            f"class {label!r} of the {where} is not in the {other} (--source {place}: {', '.join(source)}; target: "
            f"{', '.join(sorted(target))}); rename the folders, or pass --without {label}"
        )


def _check_unlabelled(folder: Path, shots: int | None, task_labels: str | None) -> None:
    if shots is not None:
        raise DataError(f"--shots {shots} needs labels and {folder} has none; put images into class folders")
    if task_labels in ("target", "both"):
        raise DataError(
            f"--task-labels {task_labels} needs labelled images of the target and {folder} has none; "
            "use --task-labels source, or put some images into class folders"
        )


def _unlabelled(
    folder: Path, data: Path, place: Path, settings: AdaptSettings, preprocess: Preprocess, steps: Steps
) -> tuple[Dataset, Split, TwoDomains]:
    found = entries(folder)
    paths = sorted(found.images)  # the order that trainings were always given them in
    purpose, choose = "without a label, to tell what the target looks like", settings.window is None
    target = read_unlabelled(paths, folder, _FEWEST, purpose, steps("read target images"), preprocess, choose=choose)
    images, left_out = target.samples, target.left_out
    source, window = _load_source(place, settings, preprocess, target.window, steps)
    tests = _load_tests(data / "test", _through(preprocess, window), steps) if (data / "test").is_dir() else None
    if tests is not None:
        _check_classes(source.classes, tests.classes, place, partly=True)
    learned, held_out = _hold_out(source, settings.seed)
    gallery = select_gallery(_for_gallery(learned, held_out), settings.seed)
    tested = tests.samples if tests is not None else ()
    shown, kept_out = _keep_out(images, (), settings.seed)
    looked_at = {sample.digest for sample in images}
    twice = sum(sample.digest in looked_at for sample in tested)
    notes = [
        f"Domains: {counted(len(learned), 'labelled source image')}, "
        f"{counted(len(shown), 'target image')} without a label.",
        f"The gallery is {counted(len(gallery), 'image')} of the source, as the adapted network sees them.",
        *filter(None, [passed_over(found.others)]),
        *([f"{counted(twice, 'test image')} also stand among the unlabelled ones."] if twice else []),
    ]
    dataset = Dataset(
        root=data.resolve(),
        layout="split",
        samples=(*images, *tested),
        classes=source.classes,
        left_out=(*left_out, *source.left_out, *(tests.left_out if tests is not None else ())),
        digest=_joined(dataset_digest((*images, *tested), data.resolve()), source.digest),
        window=window,
    )
    blank = tests.blank if tests is not None else ()
    split = Split(gallery, (), tuple(tested), "given", tuple(notes), blank_test=blank)
    return dataset, split, TwoDomains(learned, held_out, tuple(shown), kept_out, False)


def _load_tests(place: Path, preprocess: Preprocess, steps: Steps) -> Dataset:
    return load_dataset(
        place, minimum_classes=1, leave_out_blank=True, preprocess=preprocess, progress=steps("read test images")
    )


def _divide(target: Dataset, settings: AdaptSettings) -> Split:
    """Split as the data says or 60/20/20; then, with shots, draw K labels a class from the training side."""
    split = split_dataset(target, shots=None, seed=settings.seed)
    if settings.shots is None:
        return split
    if split.protocol == "cross-validation":  # too few images to put any aside before the shots are drawn
        return split_dataset(target, shots=settings.shots, seed=settings.seed)
    labels = sorted({sample.label for sample in split.train})
    draw = draw_shots(split.train, labels, settings.shots, settings.seed, spare=0)
    note = f"Labels used: {counted(settings.shots, 'image')} of each of {len(labels)} classes (seed {settings.seed})."
    train = tuple(split.train[position] for position in draw.shots)
    return dataclasses.replace(split, train=train, protocol="shots", notes=(*split.notes, note))


def _may_be_looked_at(sample: Sample, split: Split) -> bool:
    """Whether an image is neither held out nor of a part that is."""
    held_out = {name for other in (*split.validation, *split.test) for name in (other.digest, other.group) if name}
    return not held_out & {sample.digest, sample.group}


def _hold_out(source: Dataset, seed: int) -> tuple[tuple[Sample, ...], tuple[Sample, ...]]:
    """What of the source is learned from, and what is not: its test side, else a tenth."""
    tested = tuple(sample for sample in source.samples if sample.split == "test")
    if tested and len({sample.label for sample in source.samples if sample.split != "test"}) == len(source.classes):
        return tuple(sample for sample in source.samples if sample.split != "test"), tested
    parts = find_parts(source.samples)
    side_of = allocate(parts, [1 - _HELD_OUT, _HELD_OUT], [1, 0], seed)
    sides = [
        tuple(source.samples[p] for part, to in zip(parts, side_of, strict=True) if to == side for p in part.members)
        for side in (0, 1)
    ]
    return sides[0], sides[1]


def _keep_out(images: Sequence[Sample], taught: Sequence[Sample], seed: int) -> tuple[list[Sample], tuple[Sample, ...]]:
    """Images of the target that are shown to the training, and those that are not; parts stay together."""
    names = {name for sample in taught for name in (sample.digest, sample.group) if name}
    parts: dict[str, list[Sample]] = {}
    for sample in images:
        if not names & {sample.digest, sample.group}:
            parts.setdefault(sample.group or sample.digest, []).append(sample)
    wanted = min(max(_KEPT_OUT[0], round(_HELD_OUT * len(images))), _KEPT_OUT[1])
    kept: list[Sample] = []
    if wanted <= _LARGEST_SHARE * sum(map(len, parts.values())):
        for name in sorted(parts, key=lambda name: draw_key(seed, "thresholds", name)):
            if len(kept) < wanted:
                kept += parts[name]
    out = {sample.digest for sample in kept}
    return [sample for sample in images if sample.digest not in out], tuple(kept)


def _for_gallery(learned: Sequence[Sample], held_out: Sequence[Sample]) -> Sequence[Sample]:
    """Images that were not learned from, where they suffice: what a network was trained on looks too good to it."""
    counts = Counter(sample.label for sample in held_out)
    enough = all(counts[label] >= GALLERY_PER_CLASS // 2 for label in {sample.label for sample in learned})
    return held_out if enough else learned


def select_gallery(samples: Sequence[Sample], seed: int) -> tuple[Sample, ...]:
    """Equally many images of every class, at most `GALLERY_PER_CLASS`, by the seed and their content."""
    found: list[Sample] = []
    for label in sorted({sample.label for sample in samples}):
        own = {sample.digest: sample for sample in samples if sample.label == label}
        found += [own[d] for d in sorted(own, key=lambda digest: draw_key(seed, "gallery", digest))[:GALLERY_PER_CLASS]]
    return tuple(found)


def _joined(*digests: str) -> str:
    return hashlib.sha256("\n".join(digests).encode()).hexdigest()
