"""The sound part of the demo's line: a turned steel flange, of which the camera sees one quarter, on a dark mat.

- `Pose`: how one part lies under the camera and the lamp; drawn at random, within what a fixture allows.
- `FlangeLayout`: every pixel's place on the part, computed once per image.
- `face` and `on_mat`: the turned face, then the picture with the mat around it. What harms the face is painted between.

Lengths on the part are in units of its outer radius.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from edgefs.render.fields import Field, Generator, coordinates, grain, noise, profile

HUB, GROOVE, CHAMFER = 0.43, 0.475, 0.955  # radii where the surface changes
IN_VIEW = (0.55, 0.95)  # directions in which both the groove and the rim lie inside the picture, radians
TOOL = 11  # seed of the marks that one tool leaves on every part of the line


@dataclass(frozen=True)
class Pose:
    """Place and light of one part.

    Attributes:
        centre: (x, y) of the axis, in half image sides from the middle.
        radius: outer radius, half image sides.
        light: direction the lamp stands in, radians.
        exposure: overall brightness, around 1.
        gloss: strength of the fan-shaped highlight that turned metal shows.
    """

    centre: tuple[float, float]
    radius: float
    light: float
    exposure: float
    gloss: float

    @classmethod
    def draw(cls, rng: Generator) -> Pose:
        """A pose as the fixture leaves it: a little play, a lamp that drifts."""
        return cls(
            centre=(float(rng.normal(-1.78, 0.02)), float(rng.normal(-1.66, 0.02))),
            radius=float(rng.uniform(2.93, 2.99)),
            light=float(rng.normal(-2.2, 0.1)),
            exposure=float(rng.normal(0.95, 0.04)),
            gloss=float(rng.uniform(0.19, 0.25)),
        )


@dataclass(frozen=True)
class FlangeLayout:
    """Polar coordinates of every pixel on the part, each `[size,size]`, and pixels per outer radius."""

    pose: Pose
    rho: Field
    theta: Field
    scale: float

    @classmethod
    def of(cls, pose: Pose, size: int) -> FlangeLayout:
        """Lay a pose out on `size` x `size` pixels."""
        x, y = coordinates(size)
        u = (x - np.float32(pose.centre[0])) / np.float32(pose.radius)
        v = (y - np.float32(pose.centre[1])) / np.float32(pose.radius)
        return cls(pose, np.hypot(u, v), np.arctan2(v, u), pose.radius * size / 2)

    @property
    def size(self) -> int:
        """Side of the image, pixels."""
        return len(self.rho)

    def inside(self, radius: float | Field) -> Field:
        """1 within `radius` of the axis, 0 beyond, with an antialiased border."""
        covered: Field = np.clip((radius - self.rho) * np.float32(self.scale) + 0.5, 0, 1)
        return covered

    def place(self, rho: float, theta: float) -> tuple[float, float]:
        """A point of the part as fractions (x, y) of the image's side."""
        reach = rho * self.pose.radius
        x, y = self.pose.centre[0] + reach * np.cos(theta), self.pose.centre[1] + reach * np.sin(theta)
        return float(0.5 + x / 2), float(0.5 + y / 2)

    def place_on_face(self, rng: Generator, margin: float) -> tuple[float, float]:
        """A point of the face in view, at least `margin` half image sides from groove and chamfer."""
        margin /= self.pose.radius
        while True:
            x, y = rng.uniform(0.1, 0.9, 2)
            if GROOVE + margin < self.rho[int(y * self.size), int(x * self.size)] < CHAMFER - margin:
                return float(x), float(y)


def face(rng: Generator, layout: FlangeLayout) -> Field:
    """Brightness 0..1 of the turned surface: face, groove, hub and chamfer."""
    pose, tool = layout.pose, np.random.default_rng(TOOL)
    position = np.clip((layout.rho * 400).astype(np.int32), 0, 511)
    fine = (profile(tool, 512, 3) + np.float32(0.5) * profile(rng, 512, 3))[position]
    coarse = profile(tool, 512, 40)[position]
    facing = np.cos(layout.theta - np.float32(pose.light))
    fan = facing**2
    surface = 0.42 + np.float32(pose.gloss) * fan**2 + (0.012 + 0.02 * fan) * fine + 0.012 * coarse
    surface = surface + 0.01 * noise(rng, layout.size, 3)
    hub, groove, rim = layout.inside(HUB), layout.inside(GROOVE), 1 - layout.inside(CHAMFER)
    surface = surface + (0.07 + 0.04 * fine) * hub
    surface = surface + (0.36 + 0.1 * facing - surface) * (groove - hub) * 0.8
    return np.asarray(surface + (0.4 - 0.08 * facing - surface) * rim * 0.8, np.float32)


def on_mat(rng: Generator, layout: FlangeLayout, surface: Field, rim: float | Field = 1.0) -> Field:
    """The part on its mat, with the shadow it throws; `rim` is the outline's radius, per pixel where it is frayed."""
    size = layout.size
    mat = 0.1 + 0.012 * noise(rng, size, 2) + 0.008 * grain(rng, size)
    away = layout.rho - 0.02 * np.cos(layout.theta - np.float32(layout.pose.light + np.pi))
    mat = mat * (1 - 0.6 * np.clip((1.05 - away) / 0.07, 0, 1))
    return np.asarray(mat + (surface - mat) * layout.inside(rim), np.float32)
