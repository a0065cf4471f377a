"""The demo's steps, each timed."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from edgefs.demo.device import Device
from edgefs.demo.line import TAUGHT_LATER, NewClass, keep_back
from edgefs.pipelines.adapt import adapt
from edgefs.pipelines.export import export
from edgefs.progress import Steps
from edgefs.render import PART_KINDS, write_line
from edgefs.runs.run import Run
from edgefs.settings.adapt import AdaptSettings
from edgefs_calibration.statistics.rates import Rate

_PER_KIND = 60
_KEPT_BACK = "burr"
_ASKED = 300  # held-out images that the device is asked about


@dataclass(frozen=True)
class Asked:
    """What the device said of some images: nearest class right, refused as unknown."""

    right: Rate
    refused: Rate


@dataclass
class Outcome:
    """What came out, for the table at the end.

    Attributes:
        label: the class that nobody had taught.
        known_before: images of taught classes, before the new class was enrolled.
        new_before: images of the new class before it was enrolled.
        known_after: the first again, afterwards.
        new_after: images of the new class afterwards.
        seconds: what each step took.
        loaded: training frameworks that the device's processes loaded.
        asked: the command that asks the device about an image of the new class, as the shell takes it.
    """

    label: str
    known_before: Asked
    new_before: Asked
    known_after: Asked
    new_after: Asked
    seconds: dict[str, float] = field(default_factory=dict)
    loaded: str = ""
    asked: tuple[str, ...] = ()


def tell_story(
    folder: Path,
    *,
    data: Path | None,
    backbone: str | None,
    kept_back: str | None,
    group_from: str | None,
    seed: int,
    steps: Steps,
    tell: Callable[[str], None],
) -> Outcome:
    """Render or take images, adapt, export, and let a device predict, learn and predict again.

    Args:
        folder: where everything is written.
        data: the user's folder or CSV file; None renders a line of parts.
        backbone: as in `adapt`; the rendered line takes `nano`.
        kept_back: the class that nobody teaches.
        group_from: as in `adapt`.
        seed: picks images.
        steps: told how the work goes on.
        tell: given one sentence for each step.
    """
    clock = _Clock()
    if data is None:
        data, backbone, kept_back = folder / "line", backbone or "nano", kept_back or _KEPT_BACK
        with clock.step("render"):
            images = write_line(data, _PER_KIND, seed)
        tell(f"Rendered {images} images of machined parts ({', '.join(PART_KINDS)}): {data}")
    new, shots = keep_back(data, kept_back, group_from, seed, steps)
    tell(f"Kept back, as a class that nobody taught: {new.label}")
    run_folder, bundle = folder / "run", folder / "line.edgefs"
    settings = AdaptSettings(
        backbone=backbone, shots=shots, seed=seed, without=(new.label,), group_from=group_from, name="demo"
    )
    with clock.step("adapt"):
        run, _ = adapt(data, run_folder, settings, overwrite=True, steps=steps)
    tell(f"Adapted {run.record.backbone.name} on {shots} images of each other class: {run_folder}")
    with clock.step("export"):
        exported = export(run_folder, bundle, steps=steps)
    tell(f"Exported one file for the device: {bundle} ({exported.size / 1e6:.1f} MB)")
    outcome = _on_the_device(Device(bundle, folder / "device"), _held_out(run), new, clock, tell)
    outcome.seconds = clock.seconds
    return outcome


def _on_the_device(
    device: Device, known: list[tuple[Path, str]], new: NewClass, clock: _Clock, tell: Callable[[str], None]
) -> Outcome:
    device.forget_all()
    paths = [path for path, _ in known]
    labels = [label for _, label in known]
    with clock.step("predict"):
        answers = device.predict([*paths, *new.asked])
    known_before, new_before = _asked(answers[: len(paths)], labels), _asked(answers[len(paths) :], new.label)
    tell(
        f"On the device, {new_before.refused.events} of {new_before.refused.trials} images of {new.label} are refused "
        "as unknown."
    )
    with clock.step("enroll"):
        device.enroll(new.label, new.shots)
    tell(f"Taught {new.label} from {TAUGHT_LATER} images, on the device.")
    with clock.step("predict again"):
        answers = device.predict([*paths, *new.asked])
    known_after, new_after = _asked(answers[: len(paths)], labels), _asked(answers[len(paths) :], new.label)
    asked = device.asking(new.asked[0])
    return Outcome(new.label, known_before, new_before, known_after, new_after, loaded=device.loaded, asked=asked)


def _asked(answers: Sequence[dict[str, Any]], truth: str | Sequence[str]) -> Asked:
    labels = [truth] * len(answers) if isinstance(truth, str) else truth
    judged = [(a, label) for a, label in zip(answers, labels, strict=True) if a["verdict"] != "NO_DECISION"]
    return Asked(
        right=Rate(sum(answer["nearest"] == label for answer, label in judged), len(judged)),
        refused=Rate(sum(answer["label"] is None for answer, _ in judged), len(judged)),
    )


def _held_out(run: Run) -> list[tuple[Path, str]]:
    """Images of the taught classes that were not learned from, every so many."""
    root = Path(run.record.data.root)
    images = run.record.images.test
    every = max(1, -(-len(images) // _ASKED))
    return [(root / image.path, image.label) for image in images[::every]]


class _Clock:
    """Seconds by step."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        began = time.monotonic()
        yield
        self.seconds[name] = time.monotonic() - began
