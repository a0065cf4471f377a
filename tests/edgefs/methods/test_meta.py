"""`adapt --method meta`: what it learns from, what it must not, and that a device goes on from there."""

from __future__ import annotations

import dataclasses
import math
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from glyphs import write_alphabet
from PIL import Image
from safetensors.torch import load_file
from torch.nn import functional

from edgefs.methods.meta import MetaSettings
from edgefs.methods.meta.anil import Anil
from edgefs.methods.meta.episodes import EpisodeSampler
from edgefs.methods.meta.protonet import ProtoNet
from edgefs.methods.meta.tasks import TaskClass
from edgefs.pipelines.adapt import adapt
from edgefs.pipelines.export import export
from edgefs.progress import Progress
from edgefs.runs.run import WEIGHTS, Run
from edgefs.settings.adapt import AdaptSettings
from edgefs_runtime import Bundle, Classifier
from edgefs_runtime.base.errors import DataError, EdgefsError, TrainingError, WeightsError
from edgefs_runtime.decision.heads import fit_head
from edgefs_runtime.decision.snapshot import Enrolment, build_snapshot

SHORT = MetaSettings(ways=5, queries=2, episodes=8)


def settings(meta: MetaSettings = SHORT, **others: object) -> AdaptSettings:
    fixed = AdaptSettings(method="meta", backbone="conv4", shots=3, epochs=2, use_cache=False, own=(meta,))
    return dataclasses.replace(fixed, **others)  # type: ignore[arg-type]


def on(tasks: Path, **changes: object) -> MetaSettings:
    return dataclasses.replace(SHORT, tasks=str(tasks), **changes)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def tasks(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three alphabets of eight characters."""
    folder = tmp_path_factory.mktemp("tasks")
    for number, name in enumerate(("latin", "greek", "runic")):
        write_alphabet(folder / name, 100 * (number + 1), 8, drawings=4)
    return folder


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Four characters that no task holds."""
    return write_alphabet(tmp_path / "data", 0, 4)


def notes(run: Run) -> str:
    return " ".join(run.record.notes)


@pytest.mark.parametrize("algorithm", ["protonet", "anil"])
def test_what_was_trained_over_tasks_goes_to_a_device_which_learns_another_class(
    tasks: Path, data: Path, tmp_path: Path, algorithm: str
) -> None:
    meta = on(tasks, algorithm=algorithm, episodes=60, class_rotations=True)
    run, measured = adapt(data, tmp_path / "run", settings(meta))
    assert "Tasks: 3 in" in notes(run)
    assert "24 classes" in notes(run)
    assert measured.test is not None
    exported = export(tmp_path / "run", tmp_path / "g.edgefs", use_cache=False)
    assert exported.parity.flips == 0
    assert ("temperature" in Bundle.open(tmp_path / "g.edgefs").manifest.decision.head) == (algorithm == "protonet")
    new = write_alphabet(tmp_path / "new", 50, 1)
    images = sorted(new.rglob("*.png"))
    with Classifier.open(tmp_path / "g.edgefs", gallery=tmp_path / "g.gallery") as classifier:
        classifier.enroll("new", images[:5], force=True)
        answers = classifier.predict(images[5:])
    assert sum(answer.nearest == "new" for answer in answers) >= 2  # of 3; the training was short


def test_training_makes_the_classes_held_out_easier(tasks: Path, data: Path, tmp_path: Path) -> None:
    run, _ = adapt(data, tmp_path / "run", settings(on(tasks, episodes=100)))
    before, after = (float(word) for word in notes(run).split("held out: ")[1].replace("%", "").split()[0:3:2])
    assert after > before


def test_a_turned_and_a_mirrored_class_are_classes_whose_images_are_changed_alike() -> None:
    rng = np.random.default_rng(0)
    dark, light = (rng.integers(low, low + 128, (6, 4, 4, 3), np.uint8) for low in (0, 128))
    classes = [TaskClass("", "dark", dark), TaskClass("", "light", light)]
    seen = set()
    for number in range(60):
        for drawn in EpisodeSampler(classes, 2, 6, False, True, True, 0).draw(number).numpy():
            original = dark if drawn.max() < 128 else light
            looked_at = {(turns, turn): set() for turns in range(4) for turn in (1, -1)}
            for turns, turn in looked_at:
                images = np.rot90(original[:, :, ::turn], turns, axes=(1, 2))
                looked_at[turns, turn] = {image.tobytes() for image in images}
            same = [way for way, images in looked_at.items() if images == {image.tobytes() for image in drawn}]
            assert len(same) == 1
            seen |= set(same)
    assert len(seen) == 8


def test_the_seed_alone_decides(tasks: Path, data: Path, tmp_path: Path) -> None:
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        adapt(data, tmp_path / name, settings(on(tasks), seed=seed))
    a, b, c = (load_file(tmp_path / name / WEIGHTS) for name in "abc")
    assert all(torch.equal(a[key], b[key]) for key in a)
    assert not all(torch.equal(a[key], c[key]) for key in a)


def test_classes_that_data_holds_are_not_learned_from(tasks: Path, data: Path, tmp_path: Path) -> None:
    shutil.copytree(tasks, tmp_path / "tasks")
    shutil.copy(data / "character001" / "05.png", tmp_path / "tasks" / "latin" / "character101" / "copy.png")
    run, _ = adapt(data, tmp_path / "run", settings(on(tmp_path / "tasks")))
    assert "some of the same images: 1 class (latin/character101)" in notes(run)
    with pytest.raises(DataError, match="share images with DATA"):
        adapt(data, tmp_path / "other", settings(on(data)))


def test_one_folder_of_classes_is_one_big_task(data: Path, tmp_path: Path) -> None:
    run, _ = adapt(data, tmp_path / "run", settings(on(write_alphabet(tmp_path / "big", 200, 10, drawings=4))))
    assert "big is one set of 10 classes, 40 images" in notes(run)


def test_parts_of_a_divided_task_are_one_task(data: Path, tmp_path: Path) -> None:
    for name, first in (("steel", 200), ("tile", 300)):
        for part in ("train", "test"):
            write_alphabet(tmp_path / "sets" / name / part, first, 6, drawings=3 if part == "train" else 1)
            for path in (tmp_path / "sets" / name / "test").rglob("00.png"):
                path.write_bytes((path.parents[2] / "train" / path.parent.name / "02.png").read_bytes() + b"\0")
    run, _ = adapt(data, tmp_path / "run", settings(on(tmp_path / "sets", within_tasks=True, ways=3)))
    assert "Tasks: 2 in sets (steel, tile) with 12 classes, 48 images" in notes(run)


def test_a_pretrained_backbone_learns_in_its_last_stages_alone(tasks: Path, data: Path, tmp_path: Path) -> None:
    meta = on(tasks, ways=3, episodes=12, unfreeze=1)
    run, _ = adapt(data, tmp_path / "run", settings(meta, backbone="tiny", lr=1e-2, dim=16, symmetries=("h",)))
    from tiny import tiny_backbone

    before, after = tiny_backbone().network.state_dict(), load_file(run.folder / WEIGHTS)
    changed = {key for key in before if not torch.equal(before[key], after[f"stages.{key}"])}
    assert changed <= {"2.0.weight", "2.0.bias"}
    assert run.record.preprocess.symmetries == ("h",)
    assert export(run.folder, tmp_path / "t.edgefs", use_cache=False).parity.flips == 0


def test_a_training_that_was_stopped_goes_on_and_ends_the_same(tasks: Path, data: Path, tmp_path: Path) -> None:
    def stop_in_the_second_epoch(name: str) -> Progress:
        def report(done: int, _total: int, _note: str = "", /) -> None:
            if name == "meta-train" and done == 2:
                raise KeyboardInterrupt

        return report

    asked = settings(on(tasks), epochs=3)
    whole, _ = adapt(data, tmp_path / "whole", asked)
    with pytest.raises(KeyboardInterrupt):
        adapt(data, tmp_path / "run", asked, steps=stop_in_the_second_epoch)
    assert (tmp_path / ".run.training").is_dir()
    run, _ = adapt(data, tmp_path / "run", asked)
    assert (run.folder / WEIGHTS).read_bytes() == (whole.folder / WEIGHTS).read_bytes()
    assert not (tmp_path / ".run.training").exists()


def bad_tasks(tasks: Path, tmp_path: Path) -> dict[str, tuple[MetaSettings, str]]:
    (tmp_path / "empty").mkdir()
    (tmp_path / "one" / "lonely").mkdir(parents=True)
    Image.fromarray(np.eye(28, dtype=np.uint8) * 255).save(tmp_path / "one" / "lonely" / "a.png")
    return {
        "no tasks": (SHORT, "pass --tasks DIR"),
        "no such folder": (on(tasks / "nowhere"), "no such folder"),
        "empty": (on(tmp_path / "empty"), "no image in it"),
        "too few images": (on(tasks, queries=9), "24 classes, none with the 10 different images"),
        "one image": (on(tmp_path / "one"), "1 class, none with the 3 different images"),
        "fewer classes than ways": (on(tasks, ways=30), r"--ways 30: .* pass --ways 22 or fewer"),
        "fewer in each task": (on(tasks, ways=9, within_tasks=True), r"--ways 9: the largest task holds [678] classes"),
    }


@pytest.mark.parametrize(
    "fault",
    [
        "no tasks",
        "no such folder",
        "empty",
        "too few images",
        "one image",
        "fewer classes than ways",
        "fewer in each task",
    ],
)
def test_bad_tasks_are_told_in_one_line(tasks: Path, data: Path, tmp_path: Path, fault: str) -> None:
    meta, message = bad_tasks(tasks, tmp_path)[fault]
    with pytest.raises(EdgefsError, match=message) as caught:
        adapt(data, tmp_path / "run", settings(meta))
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "run").exists()


def test_a_loss_that_is_no_number_is_told(tasks: Path, data: Path, tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="smaller --lr"):
        adapt(data, tmp_path / "run", settings(on(tasks), lr=1e30, optimizer="sgd"))


def test_random_values_are_refused_where_nothing_trains_them(data: Path, tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="train all of it with --method meta or domain"):
        adapt(data, tmp_path / "run", AdaptSettings(backbone="conv4", shots=3))


def test_with_one_shot_the_loss_is_that_of_the_devices_prototypes() -> None:
    rows = functional.normalize(torch.randn(1, 4, 3, 8, generator=torch.Generator().manual_seed(0)), dim=-1)
    criterion = ProtoNet(shots=2)
    turned: list[float] = []
    for turn in range(3):
        own = rows.roll(turn, dims=2)[0]
        head = fit_head({"kind": "prototype"}, build_snapshot(_gallery(own[:, :2].numpy()), 0, 1))
        scores = torch.from_numpy(head.scores(own[:, 2].numpy())) * criterion.log_scale.detach().exp()
        turned.append(float(functional.cross_entropy(scores, torch.arange(4))))
    assert math.isclose(float(criterion(rows).detach()), float(np.mean(turned)), rel_tol=1e-5)


def _gallery(rows: np.ndarray) -> list[Enrolment]:
    return [
        Enrolment(str(label), "ok", own, tuple(f"{label}{k:063}" for k in range(len(own))), ("",) * len(own))
        for label, own in enumerate(rows.astype(np.float32))
    ]


@pytest.mark.parametrize("steps", [1, 3])
def test_the_inner_loop_is_gradient_descent_on_the_head(steps: int) -> None:
    generator = torch.Generator().manual_seed(1)
    support, queries = (torch.randn(2, 6, 5, generator=generator) for _ in range(2))
    criterion = Anil(shots=2, steps=steps)
    found = criterion.logits(support, 3, queries)
    scale, rate = criterion.log_scale.exp().detach(), criterion.log_rate.exp().detach()
    truth = torch.arange(3).repeat_interleave(2)
    for task in range(2):
        head = torch.zeros(5, 3, requires_grad=True)
        for _ in range(steps):
            loss = functional.cross_entropy(scale * support[task] @ head, truth)
            head = head - rate * torch.autograd.grad(loss, head)[0]
        torch.testing.assert_close(found[task], scale * queries[task] @ head, rtol=1e-4, atol=1e-4)


def test_training_goes_through_the_inner_loop() -> None:
    rows = functional.normalize(torch.randn(2, 3, 4, 8), dim=-1).requires_grad_()
    criterion = Anil(shots=1, steps=2)
    criterion(rows).backward()
    assert rows.grad is not None
    assert rows.grad[:, :, 0].abs().sum() > 0  # of the support
    assert criterion.log_rate.grad is not None
