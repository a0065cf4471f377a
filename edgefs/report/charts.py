"""Geometry of the charts, in the units of their SVG view box; the template draws it."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from edgefs.evaluation.curve import CurvePoint
from edgefs.report.content import Distribution, TrainingPoint
from edgefs_runtime.base.wording import counted

WIDTH = 480
_LEFT, _RIGHT = 48, 466
_BINS = 40


@dataclass(frozen=True)
class Tick:
    """A mark on an axis: where, and what it says."""

    at: float
    text: str


@dataclass(frozen=True)
class Curve:
    """A learning curve: axis marks, the interval as a polygon, the means as a line and its points."""

    height: float
    bottom: float
    x_ticks: tuple[Tick, ...]
    y_ticks: tuple[Tick, ...]
    band: str  # empty where there is none
    line: str
    points: tuple[tuple[float, float, str], ...]  # x, y, what it says


@dataclass(frozen=True)
class Bar:
    """One bin of a histogram."""

    x: float
    y: float
    width: float
    height: float


@dataclass(frozen=True)
class Histogram:
    """One group of a distribution, with the baseline its bars stand on."""

    name: str
    note: str
    top: float
    baseline: float
    bars: tuple[Bar, ...]


@dataclass(frozen=True)
class Histograms:
    """Histograms under each other on one axis."""

    height: float
    bottom: float
    x_ticks: tuple[Tick, ...]
    threshold: float | None
    rows: tuple[Histogram, ...]


def curve(points: Sequence[CurvePoint]) -> Curve:
    """A learning curve; shots on a logarithmic axis, because each doubling of the images is worth about the same."""
    height, top, bottom = 250, 14, 206
    floor = math.floor(max(0.0, min(point.low for point in points) - 0.001) * 10) / 10
    low, high = math.log(points[0].shots), math.log(points[-1].shots)

    def x(shots: int) -> float:
        share = (math.log(shots) - low) / (high - low) if high > low else 0.5
        return round(_LEFT + 14 + share * (_RIGHT - _LEFT - 28), 1)

    def y(accuracy: float) -> float:
        return round(bottom - (accuracy - floor) / (1.0 - floor) * (bottom - top), 1)

    upper = [f"{x(point.shots)},{y(point.high)}" for point in points]
    lower = [f"{x(point.shots)},{y(point.low)}" for point in reversed(points)]
    return Curve(
        height=height,
        bottom=bottom,
        x_ticks=_apart([Tick(x(point.shots), str(point.shots)) for point in points]),
        y_ticks=tuple(Tick(y(mark), f"{100 * mark:.0f}") for mark in _marks(floor)),
        band=" ".join(upper + lower),
        line=" ".join(f"{x(point.shots)},{y(point.mean)}" for point in points),
        points=tuple((x(point.shots), y(point.mean), _said(point)) for point in points),
    )


def course(points: Sequence[TrainingPoint]) -> Curve:
    """A training, epoch by epoch."""
    height, top, bottom = 250, 14, 206
    low, high = min(point.value for point in points), max(point.value for point in points)
    step = _nice((high - low) / 4)
    floor, ceiling = math.floor(low / step) * step, math.ceil(high / step) * step
    last = max(points[-1].epoch, 1)

    def x(epoch: int) -> float:
        return round(_LEFT + 14 + epoch / last * (_RIGHT - _LEFT - 28), 1)

    def y(value: float) -> float:
        return round(bottom - (value - floor) / (ceiling - floor) * (bottom - top), 1)

    marks = [floor + number * step for number in range(round((ceiling - floor) / step) + 1)]
    return Curve(
        height=height,
        bottom=bottom,
        x_ticks=_apart([Tick(x(point.epoch), str(point.epoch)) for point in points]),
        y_ticks=tuple(Tick(y(mark), f"{100 * mark:.3g}") for mark in marks),
        band="",
        line=" ".join(f"{x(point.epoch)},{y(point.value)}" for point in points),
        points=tuple(
            (x(point.epoch), y(point.value), f"epoch {point.epoch}: {100 * point.value:.1f} %") for point in points
        ),
    )


def histograms(distribution: Distribution) -> Histograms:
    """Histograms of the groups, each as high as its own fullest bin: the groups differ in size."""
    low, high = _range(distribution)
    threshold = distribution.threshold
    row, gap, first = 52, 32, 22
    baselines = [first + row + number * (row + gap) for number in range(len(distribution.groups))]
    rows = tuple(
        Histogram(
            name=group.name,
            note=f"{group.refused} of {counted(len(group.values), 'image')} refused",
            top=baseline - row,
            baseline=baseline,
            bars=_bars(group.values, low, high, baseline, row),
        )
        for group, baseline in zip(distribution.groups, baselines, strict=True)
    )
    bottom = baselines[-1] if baselines else first
    marks = [low + (high - low) * step / 4 for step in range(5)]
    return Histograms(
        height=bottom + 44,
        bottom=bottom,
        x_ticks=tuple(Tick(_along(mark, low, high), f"{mark:.3g}") for mark in marks),
        threshold=None if threshold is None else _along(threshold, low, high),
        rows=rows,
    )


def _range(distribution: Distribution) -> tuple[float, float]:
    values = [value for group in distribution.groups for value in group.values]
    if distribution.threshold is not None:
        values.append(distribution.threshold)
    low, high = min(values, default=0.0), max(values, default=1.0)
    if low >= 0 and high <= 1:
        return 0.0, 1.0  # p-values and probabilities: the whole axis is the scale
    return low, high if high > low else low + 1.0


def _along(value: float, low: float, high: float) -> float:
    return round(_LEFT + (value - low) / (high - low) * (_RIGHT - _LEFT), 1)


def _bars(values: Sequence[float], low: float, high: float, baseline: float, full: float) -> tuple[Bar, ...]:
    counts = Counter(min(_BINS - 1, int((value - low) / (high - low) * _BINS)) for value in values)
    width = (_RIGHT - _LEFT) / _BINS
    bars = []
    for place, count in sorted(counts.items()):
        height = round(max(1.5, full * count / max(counts.values())), 2)  # a single image is still seen
        bars.append(Bar(round(_LEFT + place * width, 2), round(baseline - height, 2), round(width - 1, 2), height))
    return tuple(bars)


def _said(point: CurvePoint) -> str:
    return (
        f"{counted(point.shots, 'image')} per class: {100 * point.mean:.1f} % "
        f"({100 * point.low:.1f} to {100 * point.high:.1f} %)"
    )


def _marks(floor: float) -> list[float]:
    step = 0.05 if floor >= 0.8 else 0.1 if floor >= 0.5 else 0.2
    count = int((1.0 - floor) / step + 1e-9)
    return [round(1.0 - step * number, 2) for number in range(count, -1, -1)]


def _nice(step: float) -> float:
    """The next of 1, 2, 5, 10 … below one."""
    power = 10.0 ** math.floor(math.log10(max(step, 1e-4)))
    return next(factor * power for factor in (1, 2, 5, 10) if factor * power >= step * 0.999 or factor == 10)


def _apart(ticks: Sequence[Tick], distance: float = 24.0) -> tuple[Tick, ...]:
    """Drop marks that would be written over their neighbour; the last one stays."""
    kept: list[Tick] = []
    for tick in reversed(ticks):
        if not kept or kept[-1].at - tick.at >= distance:
            kept.append(tick)
    return tuple(reversed(kept))
