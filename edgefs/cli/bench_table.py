"""What `edgefs bench` measured, as text."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from edgefs_runtime.base.wording import counted
from edgefs_runtime.benchmarking.comparing import Ratio
from edgefs_runtime.benchmarking.frames import Frames
from edgefs_runtime.benchmarking.machine import Machine
from edgefs_runtime.benchmarking.measuring import BenchFigures, Benchmark, Misses
from edgefs_runtime.benchmarking.memory import Memory
from edgefs_runtime.benchmarking.percentiles import PERCENTILES, Percentiles, samples_needed
from edgefs_runtime.benchmarking.throughput import Throughput

_STAGES = {
    "preprocess_encoded": "decode and resize",
    "preprocess": "resize",
    "embed": "embed",
    "head": "head",
    "end_to_end_encoded": "end to end, decoded first",
    "end_to_end": "end to end, in memory",
}
_WIDTH = 26  # of what stands before the numbers


def lines(benchmark: Benchmark) -> Iterator[str]:
    """All of it, line by line."""
    yield _machine(benchmark.machine)
    yield _frames(benchmark.frames)
    for bundle in benchmark.bundles:
        yield ""
        yield from _bundle(bundle, benchmark.plan.deadline)
    first, *others = benchmark.bundles
    for bundle in others:
        yield ""
        yield f"{bundle.path} against {first.path}: ratio of medians, 95 % interval, below 1 is faster"
        yield from _ratios(bundle.against_first)


def _machine(machine: Machine) -> str:
    cores = counted(machine.cores, "core")
    return (
        f"{machine.processor}, {machine.architecture}, {cores}; {machine.system}; onnxruntime {machine.onnxruntime}, "
        f"numpy {machine.numpy}, Python {machine.python}, edgefs {machine.edgefs}"
    )


def _frames(frames: Frames) -> str:
    count, sizes = len(frames.frames), " and ".join(f"{width} x {height}" for width, height in frames.sizes[:3])
    kind = "rendered frame" if frames.source == "rendered" else "frame"
    return f"{counted(count, kind)} of {sizes}{' ...' if len(frames.sizes) > 3 else ''} pixels"


def _bundle(bundle: BenchFigures, deadline: float | None) -> Iterator[str]:
    height, width = bundle.size
    precision = f"{bundle.precision}, " if bundle.precision else ""
    images = counted(bundle.images, "image")
    yield f"{bundle.path}: {precision}{width} x {height}, {bundle.head}, {images} in the gallery"
    heads = "".join(f"{f'p{percentile:g}':>9}" for percentile in PERCENTILES)
    yield f"  {'milliseconds':<{_WIDTH}}{'samples':>8}{heads}{'slowest':>9}"
    for stage, name in _STAGES.items():
        yield _spread(name, bundle.stages[stage])
    meanwhile = bundle.enrolling
    yield _spread("the same while enrolling", meanwhile.end_to_end)
    yield from _too_few([*bundle.stages.values(), meanwhile.end_to_end])
    if deadline is not None:
        for when, name in (("alone", "alone"), ("enrolling", "while enrolling")):
            yield f"  {f'over {deadline:g} ms, {name}':<{_WIDTH}} {_misses(bundle.misses[when])}"
    yield (
        f"  {'enrolled meanwhile':<{_WIDTH}} {counted(meanwhile.images, 'image')} "
        f"{counted(meanwhile.enrolments, 'time')}, {meanwhile.enrolment.percentiles[50.0] or 0:.0f} ms each; "
        f"{meanwhile.by_old_snapshot} of {meanwhile.end_to_end.samples} frames decided by the gallery as it was before"
    )
    yield from _throughput(bundle.throughput)
    yield f"  {'peak memory':<{_WIDTH}} {_memory(bundle.memory)}"


def _spread(name: str, spread: Percentiles) -> str:
    values = "".join(_milliseconds(value) for value in (*spread.percentiles.values(), spread.slowest))
    return f"  {name:<{_WIDTH}}{spread.samples:>8}{values}"


def _milliseconds(value: float | None) -> str:
    return f"{'-':>9}" if value is None else f"{value:>9.3f}"


def _too_few(spreads: Sequence[Percentiles]) -> Iterator[str]:
    missing = [p for p in PERCENTILES if any(spread.percentiles[p] is None for spread in spreads)]
    if missing:
        needed = ", ".join(f"p{percentile:g} needs {samples_needed(percentile):,}" for percentile in missing)
        yield f"  {'- : too few samples':<{_WIDTH}} {needed}"


def _misses(misses: Misses) -> str:
    return f"{misses.frames} of {misses.samples} frames, {misses.share:.2%} (95 % interval up to {misses.high:.2%})"


def _throughput(measured: Sequence[Throughput]) -> Iterator[str]:
    for number, one in enumerate(measured):
        threads = {0: "a thread for each core", 1: "1 thread"}.get(one.threads, f"{one.threads} threads")
        yield (
            f"  {'' if number else 'throughput':<{_WIDTH}} {one.frames_per_second:.1f} frames/s, the network alone "
            f"{one.embeddings_per_second:.1f}/s: batch {one.batch}, {threads}"
        )


def _memory(memory: Memory) -> str:
    if memory.deciding is None or memory.enrolling is None:
        return "not told by this system"
    return f"{memory.deciding:.0f} MiB deciding, {memory.enrolling:.0f} MiB once it has enrolled"


def _ratios(ratios: Mapping[str, Ratio]) -> Iterator[str]:
    for stage, name in _STAGES.items():
        ratio = ratios[stage]
        interval = (
            f"too few turns for an interval ({ratio.turns})"
            if ratio.low is None or ratio.high is None
            else f"{ratio.low:.3f} to {ratio.high:.3f}, {ratio.turns} turns"
        )
        yield f"  {name:<{_WIDTH}}{ratio.ratio:>8.3f}   {interval}"
