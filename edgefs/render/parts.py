"""The demo's line of machined parts: good ones, and ones with a scratch, a dent, a stain, a crack or a burr.

- `render_part`: one part as the camera above the line sees it.
- `write_line`: a folder of them, one folder a class, as `edgefs adapt` reads it.

The parts are not among the training images of `nano`: what it makes of them is what it would make of a stranger's.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from edgefs.render.defects import blob_mask, crack_mask, darken, relief, scratch_mask
from edgefs.render.fields import Field, Generator, fractal, profile
from edgefs.render.flange import GROOVE, IN_VIEW, FlangeLayout, Pose, face, on_mat

PART_KINDS = ("good", "scratch", "dent", "stain", "crack", "burr")
_STEEL = np.array((0.97, 1.0, 1.03), np.float32)  # a cool white lamp
_OIL = np.array((0.62, 0.5, 0.34), np.float32)  # what a stain lets through, red green blue


def render_part(rng: Generator, kind: str, size: int = 256) -> NDArray[np.uint8]:
    """One part on its mat.

    Args:
        rng: source of pose, light, defect and sensor noise; the same state gives the same image.
        kind: one of `PART_KINDS`.
        size: height and width, pixels.

    Returns:
        uint8 RGB `[size,size,3]`.

    Raises:
        ValueError: `kind` is none of `PART_KINDS`.
    """
    if kind not in PART_KINDS:
        raise ValueError(f"kind is {kind!r}; expected one of {', '.join(PART_KINDS)}")
    layout = FlangeLayout.of(Pose.draw(rng), size)
    surface = face(rng, layout)
    if kind in _ON_FACE:
        surface = _ON_FACE[kind](rng, layout, surface)
    rim: float | Field = 1.0
    if kind == "burr":
        rim, surface = _burr(rng, layout, surface)
    stain = _stain(rng, layout) if kind == "stain" else np.zeros((size, size), np.float32)
    grey = on_mat(rng, layout, surface, rim)
    colours = _STEEL * (1 - stain[:, :, None] * (1 - _OIL))
    return _photographed(rng, grey[:, :, None] * colours * np.float32(layout.pose.exposure))


def write_line(folder: Path, per_kind: int, seed: int, kinds: Sequence[str] = PART_KINDS, size: int = 256) -> int:
    """Write `<folder>/<kind>/000.png` and on, `per_kind` of each, and return how many files were written.

    Every image has a random state of its own, so the first n images are the same whatever `per_kind` is.
    """
    for kind in kinds:
        (folder / kind).mkdir(parents=True, exist_ok=True)
        for number in range(per_kind):
            rng = np.random.default_rng((seed, PART_KINDS.index(kind), number))
            image = Image.fromarray(render_part(rng, kind, size))
            image.save(folder / kind / f"{number:03d}.png", compress_level=1)
    return per_kind * len(kinds)


def _scratch(rng: Generator, layout: FlangeLayout, surface: Field) -> Field:
    """One to three score marks, bright on the flank that faces the lamp."""
    middle, angle = layout.place_on_face(rng, 0.1), rng.uniform(0, 2 * np.pi)
    for _ in range(int(rng.choice((1, 2, 2, 3)))):
        length, width = rng.uniform(0.28, 0.5), rng.uniform(2.5, 4.5) * layout.size / 256
        at = (middle[0] - length / 2 * np.cos(angle), middle[1] - length / 2 * np.sin(angle))
        mask = scratch_mask(rng, layout.size, at, length, angle, width)
        surface = darken(relief(surface, mask, layout.pose.light, 0.6), mask, float(rng.choice((-0.9, 0.65))))
        middle = (middle[0] + rng.normal(0, 0.02), middle[1] + rng.normal(0, 0.02))
        angle += rng.normal(0, 0.12)
    return surface


def _dent(rng: Generator, layout: FlangeLayout, surface: Field) -> Field:
    """A hollow: dark on the lamp's side, bright on the other."""
    centre = layout.place_on_face(rng, 0.15)
    radius = rng.uniform(0.05, 0.09)
    soft = radius * layout.size * 0.28
    mask = blob_mask(rng, layout.size, centre, radius, 0.08, soft, rng.uniform(1, 1.8))
    steepness = 0.085 * radius * layout.size * rng.uniform(0.75, 1.25) * 4
    return relief(darken(surface, mask, 0.18), -mask, layout.pose.light + np.pi, steepness)


def _crack(rng: Generator, layout: FlangeLayout, surface: Field) -> Field:
    """A dark forked line that runs into the face from the groove, from the rim, or from a flaw within."""
    theta = float(rng.uniform(*IN_VIEW))
    start = rng.integers(3)
    if start == 0:
        at, heading = layout.place(GROOVE, theta), theta
    elif start == 1:
        at, heading = layout.place(0.99, theta), theta + np.pi
    else:
        at, heading = layout.place_on_face(rng, 0.2), rng.uniform(0, 2 * np.pi)
    width = rng.uniform(1.8, 3) * layout.size / 256
    mask = crack_mask(rng, layout.size, at, rng.uniform(0.18, 0.32), heading + rng.normal(0, 0.5), width)
    return darken(surface, mask, float(rng.uniform(0.7, 0.92)))


_ON_FACE: dict[str, Callable[[Generator, FlangeLayout, Field], Field]] = {
    "scratch": _scratch,
    "dent": _dent,
    "crack": _crack,
}


def _stain(rng: Generator, layout: FlangeLayout) -> Field:
    """How thick oil or coolant lies, 0..1: an irregular patch with a darker drying border and drops around it."""
    size, centre = layout.size, layout.place_on_face(rng, 0.1)
    radius = rng.uniform(0.08, 0.16)
    patch = blob_mask(rng, size, centre, radius, 0.22, size * 0.008, rng.uniform(1, 2))
    body = patch * (0.55 + 0.12 * fractal(rng, size, 8)) + 0.9 * patch * (1 - patch)
    for _ in range(int(rng.integers(0, 4))):
        near = (centre[0] + rng.normal(0, 1.2 * radius), centre[1] + rng.normal(0, 1.2 * radius))
        body = np.maximum(body, 0.6 * blob_mask(rng, size, near, rng.uniform(0.006, 0.02), 0.1, size * 0.004))
    return np.asarray(np.clip(body * np.float32(rng.uniform(0.8, 1.2)), 0, 1), np.float32)


def _burr(rng: Generator, layout: FlangeLayout, surface: Field) -> tuple[Field, Field]:
    """A torn, bright fringe along part of the rim: the outline's radius per pixel, and the surface with it."""
    reach = rng.uniform(0.15, 0.4)  # radians of the rim
    turn = layout.theta - np.float32(rng.uniform(*IN_VIEW) - reach / 2)
    window = np.clip(np.sin(np.pi * np.clip(turn / reach, 0, 1)) * 2, 0, 1)
    teeth = np.abs(_around(profile(rng, 64, 8), turn))
    height = window * np.float32(rng.uniform(0.008, 0.018)) * (0.6 + teeth)
    torn = window * (1 - layout.inside(0.985))
    bright = np.clip(0.65 + 0.2 * _around(profile(rng, 64, 4), turn), 0.2, 1)
    return 1 + height, surface + (bright - surface) * torn


def _around(line: Field, turn: Field) -> Field:
    """A random line read by angle, 110 of its values to the radian."""
    return np.interp(turn * 110, np.arange(len(line)), line).astype(np.float32)


def _photographed(rng: Generator, picture: NDArray[np.float32]) -> NDArray[np.uint8]:
    """The camera's tone curve and noise, eight bits."""
    noise = rng.standard_normal(picture.shape[:2], dtype=np.float32)[:, :, None]
    seen = np.clip(picture, 0, 1) ** np.float32(0.8) + np.float32(0.011) * noise
    return np.asarray((np.clip(seen, 0, 1) * np.float32(255)).astype(np.uint8), np.uint8)
