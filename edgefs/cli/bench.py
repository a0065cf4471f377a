"""`edgefs bench`: what is to be measured, and whether limits are kept."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from edgefs.cli.images import echo_passed_over, image_files
from edgefs.cli.options import PATH, Count, Described, Number, echo_json, echo_warnings
from edgefs.cli.streams import echo

if TYPE_CHECKING:
    from edgefs_runtime.benchmarking.frames import Frames

_CAMERA = "1920x1080"


def _camera_size(_ctx: click.Context, _option: click.Parameter, given: str | None) -> tuple[int, int] | None:
    if given is None:
        return None
    match = re.fullmatch(r"(\d{1,6})x(\d{1,6})", given)
    if match is None:
        raise click.BadParameter(f"{given!r}: expected width x height in pixels, as {_CAMERA}")
    return int(match[1]), int(match[2])


def _threads(_ctx: click.Context, _option: click.Parameter, given: str) -> tuple[int, ...]:
    if not re.fullmatch(r"\d{1,4}(,\d{1,4})*", given):
        raise click.BadParameter(f"{given!r}: expected numbers with commas between them, as 1,2")
    return tuple(map(int, given.split(",")))


@click.command("bench")
@click.argument("bundles", metavar="BUNDLE...", nargs=-1, required=True, type=PATH)
@click.option(
    "--image",
    "images",
    multiple=True,
    type=PATH,
    metavar="FILE",
    help="A real frame, or a folder of them; may be repeated.",
)
@click.option(
    "--camera-size",
    callback=_camera_size,
    cls=Described,
    metavar="WxH",
    show_default=_CAMERA,
    help="The size of the frames that are rendered without --image.",
)
@click.option(
    "--seconds",
    type=Number(min=0, min_open=True, max=86400),
    default=20.0,
    show_default=True,
    help="How long each bundle is measured; memory and warming up come on top.",
)
@click.option(
    "--frames", type=Count(min=1), metavar="N", help="Decide about N frames in each part, however long that takes."
)
@click.option(
    "--threads",
    callback=_threads,
    default="0",
    show_default=True,
    metavar="N,N...",
    help="The threads of one inference, 0 = one for each core; "
    "the throughput is measured with each number, all else with the first.",
)
@click.option(
    "--gallery",
    cls=Described,
    type=PATH,
    show_default="the bundle's seed",
    help="The gallery; a copy of it decides.",
)
@click.option("--deadline-ms", type=Number(min=0, min_open=True), help="Count the frames that take longer than this.")
@click.option(
    "--max-misses",
    type=Number(0, 1),
    metavar="SHARE",
    help="Fail where a larger share misses the deadline: 0.001 is 1 in 1,000.",
)
@click.option("--max-p99-ms", type=Number(min=0, min_open=True), help="Fail where the 99th percentile is above this.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def command(
    bundles: tuple[Path, ...],
    images: tuple[Path, ...],
    camera_size: tuple[int, int] | None,
    seconds: float,
    frames: int | None,
    threads: tuple[int, ...],
    gallery: Path | None,
    deadline_ms: float | None,
    max_misses: float | None,
    max_p99_ms: float | None,
    as_json: bool,
) -> None:
    """Measure how fast BUNDLEs decide on this machine, side by side, and compare them with the first.

    Frames in memory are timed from the camera to the decision, stage by stage, one after the other without a pause;
    also while a class is enrolled in another thread, and in batches. Every fifth frame is decoded first.
    Galleries are copies that are thrown away. A limit (--max-p99-ms, or --deadline-ms with --max-misses) holds end to
    end for frames in memory while nothing else goes on; a bundle that exceeds it makes the exit status 1.
    """
    from edgefs.cli.bench_table import lines
    from edgefs_runtime.benchmarking.limits import Limits
    from edgefs_runtime.benchmarking.measuring import BenchPlan, bench

    _check_usage(images, camera_size, frames, deadline_ms, max_misses, max_p99_ms)
    shown = _frames(images, camera_size)
    echo_passed_over()
    if sys.stderr.isatty() and frames is None:
        echo(f"Measuring for about {len(bundles) * seconds:.0f} seconds ...", err=True)
    measured = bench(bundles, shown, BenchPlan(seconds, frames, threads, gallery, deadline_ms))
    failures = Limits(max_p99_ms, max_misses).failures(measured)
    warnings = [measured.machine.warning, *(sentence for bundle in measured.bundles for sentence in bundle.warnings)]
    echo_warnings([sentence for sentence in warnings if sentence])
    if as_json:
        echo_json({**measured.to_json(), "passed": not failures, "failures": failures})
    else:
        echo(*lines(measured))
    echo(*(f"Too slow: {failure}" for failure in failures), err=True)
    if failures:
        raise click.exceptions.Exit(1)


def _check_usage(
    images: tuple[Path, ...],
    camera_size: tuple[int, int] | None,
    frames: int | None,
    deadline_ms: float | None,
    max_misses: float | None,
    max_p99_ms: float | None,
) -> None:
    from edgefs_runtime.benchmarking.percentiles import samples_needed

    if images and camera_size:
        raise click.UsageError(
            "--camera-size is for rendered frames, and those of --image have their own size; leave one of the two out."
        )
    if max_misses is not None and deadline_ms is None:
        raise click.UsageError("--max-misses counts frames that miss a deadline; it needs --deadline-ms.")
    if max_p99_ms is not None and frames is not None and frames < samples_needed(99.0):
        raise click.UsageError(f"--max-p99-ms needs --frames {samples_needed(99.0)} at least.")


def _frames(images: tuple[Path, ...], camera_size: tuple[int, int] | None) -> Frames:
    from edgefs_runtime.benchmarking.frames import CAMERA_SIZE, read_frames, render_frames

    return read_frames(image_files(images)) if images else render_frames(camera_size or CAMERA_SIZE)
