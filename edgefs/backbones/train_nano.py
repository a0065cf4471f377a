"""Train `nano`: distil torchvision's MobileNetV2 on rendered images. No photograph is ever seen.

Training goes in rounds, so that it can be stopped, resumed and prolonged at will:

1. Render fresh images and cut random views out of them.
2. Let the teacher, at 224 px, describe every view: maps of six of its blocks and their pooled vectors.
3. Train the student, at 128 px, for a few epochs to predict them; write the checkpoint.

    python -m edgefs.backbones.train_nano --out OUT --rounds 6

The result is OUT/nano.safetensors, the curve OUT/curve.jsonl. The same seed on the same machine gives the same weights.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import logging
import math
import os
import time
from dataclasses import dataclass
from pathlib import Path

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

from edgefs.backbones.nano import NANO_STAGES, Nano, save_nano
from edgefs.backbones.nano_views import CHANNELS, STAGES, Recipe, Teacher, Views, labelled, normalised, pooled

logger = logging.getLogger(__name__)

STUDENT_CHANNELS = (32, 64, 96, 192)  # of the blocks named in NANO_STAGES


@dataclass(frozen=True)
class Settings(Recipe):
    """What a training consists of; a resumed training must be the same one, save for the number of rounds."""

    rounds: int = 6
    epochs: int = 5  # over the views of one round
    batch: int = 64
    rate: float = 2e-3  # the largest learning rate; cosine to zero over all rounds
    decay: float = 0.02


class Student(nn.Module):
    """`Nano` with the linear heads that translate its stages into the teacher's; only `nano` is kept."""

    def __init__(self) -> None:
        super().__init__()
        self.nano = Nano()
        targets = [sum(CHANNELS[block] for block in blocks) for _, blocks in STAGES]
        self.heads = nn.ModuleList(nn.Conv2d(a, b, 1) for a, b in zip(STUDENT_CHANNELS, targets, strict=True))
        self.pooled_head = nn.Linear(2 * sum(STUDENT_CHANNELS), 2 * sum(CHANNELS.values()))

    def forward(self, images: Tensor) -> tuple[list[Tensor], Tensor, Tensor]:
        """Images `[N,3,128,128]` to predicted maps, predicted pooled vectors, and the student's own embedding."""
        taps, maps = [], images
        for name, block in self.nano.features.named_children():
            maps = block(maps)
            if f"features.{name}" in NANO_STAGES:
                taps.append(maps)
        embedding = torch.cat([F.normalize(pooled(tap.float())) for tap in taps], 1)
        return [head(tap) for head, tap in zip(self.heads, taps, strict=True)], self.pooled_head(embedding), embedding


@dataclass
class Scale:
    """Mean and deviation by which the teacher's channels are standardised, fixed by the first round."""

    means: list[Tensor]
    deviations: list[Tensor]

    @classmethod
    def of(cls, views: Views) -> Scale:
        """Statistics over (at most 2,000 of) the given views."""
        fields = [maps[:2000].float() for maps in views.maps] + [views.pooled[:2000].float()]
        over = [(0, 2, 3)] * len(views.maps) + [(0,)]
        means = [field.mean(axes, keepdim=True) for field, axes in zip(fields, over, strict=True)]
        return cls(means, [f.std(axes, keepdim=True) + 1e-3 for f, axes in zip(fields, over, strict=True)])

    def __call__(self, views: Views, index: Tensor, device: torch.device) -> list[Tensor]:
        """Standardised targets of some views, the last of them pooled; outliers are cut at six deviations."""
        fields = [field[index].to(device).float() for field in (*views.maps, views.pooled)]
        moments = zip(fields, self.means, self.deviations, strict=True)
        return [((field - mean.to(device)) / scale.to(device)).clamp(-6, 6) for field, mean, scale in moments]


def losses(predicted: tuple[list[Tensor], Tensor, Tensor], targets: list[Tensor]) -> dict[str, Tensor]:
    """Squared error of maps and of pooled vectors, and how much the two similarity matrices of the batch differ."""
    maps, vectors, embedding = predicted
    found = {f"map{i}": F.mse_loss(m.float(), t) for i, (m, t) in enumerate(zip(maps, targets[:-1], strict=True))}
    found["pooled"] = F.mse_loss(vectors.float(), targets[-1])
    found["relation"] = 1 - _alignment(embedding, targets[-1])
    return found


WEIGHTS = {"map0": 0.5, "map1": 1.0, "map2": 1.0, "map3": 1.0, "pooled": 1.0, "relation": 0.5}


def train(settings: Settings, out: Path, weights: Path | None, workers: int, device: torch.device) -> Path:
    """Train, or go on where the checkpoint in `out` ends, and return the weights file.

    Raises:
        ValueError: the checkpoint was written under other settings.
    """
    torch.manual_seed(settings.seed)
    teacher = Teacher(weights).to(device).to(memory_format=torch.channels_last)
    student = Student().to(device).to(memory_format=torch.channels_last)
    optimizer = torch.optim.AdamW(student.parameters(), lr=settings.rate, weight_decay=settings.decay)
    start, scale = _resume(out / "checkpoint.pt", settings, student, optimizer)
    held_out = labelled(settings, -1, teacher, workers, device)
    for number in range(start, settings.rounds):
        began = time.monotonic()
        views = labelled(settings, number, teacher, workers, device)
        scale = scale or Scale.of(views)
        rendered = time.monotonic()
        train_loss = _train_round(settings, number, student, optimizer, views, scale, device)
        entry = {
            "round": number + 1,
            "steps": (number + 1) * _steps_per_round(settings),
            "train": round(train_loss, 4),
            "held_out": _evaluate(student, held_out, scale, device),
            "seconds": [round(rendered - began), round(time.monotonic() - rendered)],
        }
        _checkpoint(out, settings, number + 1, student, optimizer, scale, entry)
        logger.info("%s", json.dumps(entry))
    return out / "nano.safetensors"


def _train_round(
    settings: Settings,
    number: int,
    student: Student,
    optimizer: torch.optim.Optimizer,
    views: Views,
    scale: Scale,
    device: torch.device,
) -> float:
    student.train()
    steps, step, total = _steps_per_round(settings), 0, 0.0
    for epoch in range(settings.epochs):
        shuffle = torch.Generator().manual_seed(settings.seed * 1_000_003 + number * 1009 + epoch)
        order = torch.randperm(len(views.images), generator=shuffle)
        for index in torch.split(order, settings.batch)[: steps // settings.epochs]:
            for group in optimizer.param_groups:
                group["lr"] = settings.rate * _cosine(number * steps + step, settings.rounds * steps)
            with torch.autocast(device.type, torch.bfloat16, enabled=device.type == "cuda"):
                predicted = student(normalised(views.images[index].to(device)))
            found = losses(predicted, scale(views, index, device))
            loss = torch.stack([WEIGHTS[name] * value for name, value in found.items()]).sum()
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            nn.utils.clip_grad_norm_(student.parameters(), 5.0)
            optimizer.step()
            total, step = total + float(loss.detach()), step + 1
    return total / max(step, 1)


@torch.no_grad()
def _evaluate(student: Student, views: Views, scale: Scale, device: torch.device) -> dict[str, float]:
    student.eval()
    sums: dict[str, float] = {}
    batches = torch.split(torch.arange(len(views.images)), 256)
    for index in batches:
        predicted = student(normalised(views.images[index].to(device)))
        for name, value in losses(predicted, scale(views, index, device)).items():
            sums[name] = sums.get(name, 0.0) + float(value) / len(batches)
    return {name: round(value, 4) for name, value in sums.items()}


def _alignment(student: Tensor, teacher: Tensor) -> Tensor:
    """Linear centred kernel alignment of two embeddings of one batch (Kornblith et al. 2019, arXiv 1905.00414)."""
    a, b = student - student.mean(0), teacher - teacher.mean(0)
    similar_a, similar_b = a @ a.T, b @ b.T
    product: Tensor = (similar_a * similar_b).sum() / (similar_a.norm() * similar_b.norm() + 1e-9)
    return product


def _steps_per_round(settings: Settings) -> int:
    return settings.images * settings.views // settings.batch * settings.epochs


def _cosine(step: int, steps: int) -> float:
    warm = min(0.04 * steps, 500.0)
    if step < warm:
        return (step + 1) / (warm + 1)
    return 0.5 + 0.5 * math.cos(math.pi * (step - warm) / (steps - warm))


def _resume(
    path: Path, settings: Settings, student: Student, optimizer: torch.optim.Optimizer
) -> tuple[int, Scale | None]:
    if not path.exists():
        return 0, None
    saved = torch.load(path, map_location="cpu", weights_only=True)
    if saved["settings"] != {**dataclasses.asdict(settings), "rounds": saved["settings"]["rounds"]}:
        raise ValueError(f"{path} was trained with {saved['settings']}, now asked: {dataclasses.asdict(settings)}")
    student.load_state_dict(saved["student"])
    optimizer.load_state_dict(saved["optimizer"])
    logger.info("goes on after round %d", saved["round"])
    return saved["round"], Scale(saved["means"], saved["deviations"])


def _checkpoint(
    out: Path, settings: Settings, number: int, student: Student, optimizer: torch.optim.Optimizer, scale: Scale,
    entry: dict[str, object],
) -> None:  # fmt: skip
    state = {
        "settings": dataclasses.asdict(settings),
        "round": number,
        "student": student.state_dict(),
        "optimizer": optimizer.state_dict(),
        "means": scale.means,
        "deviations": scale.deviations,
    }
    torch.save(state, out / "checkpoint.partial")
    (out / "checkpoint.partial").replace(out / "checkpoint.pt")
    save_nano(student.nano, out / "nano.safetensors")
    with (out / "curve.jsonl").open("a", encoding="utf-8") as curve:
        curve.write(json.dumps(entry) + "\n")


def main() -> None:
    """Read the command line and train."""
    parser = argparse.ArgumentParser(prog="python -m edgefs.backbones.train_nano", description=__doc__)
    parser.add_argument("--out", type=Path, required=True, help="folder of checkpoint, curve and weights")
    parser.add_argument("--teacher-weights", type=Path, help="MobileNetV2 .pth; default: torchvision's IMAGENET1K_V1")
    parser.add_argument("--workers", type=int, default=os.cpu_count(), help="processes that render")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    for field in dataclasses.fields(Settings):
        kind = float if isinstance(field.default, float) else int
        parser.add_argument(f"--{field.name.replace('_', '-')}", type=kind, default=field.default)
    chosen = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    chosen.out.mkdir(parents=True, exist_ok=True)
    settings = Settings(**{field.name: getattr(chosen, field.name) for field in dataclasses.fields(Settings)})
    train(settings, chosen.out, chosen.teacher_weights, chosen.workers, torch.device(chosen.device))


if __name__ == "__main__":
    main()
