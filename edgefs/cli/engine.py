"""`edgefs engine`: a bundle's TensorRT engine, built and told where it lies."""

from __future__ import annotations

from pathlib import Path

import click

from edgefs.cli.options import Count, bundle_argument, echo_json, json_option
from edgefs.cli.streams import echo


@click.command("engine")
@bundle_argument
@click.option(
    "--max-batch",
    type=Count(1, 1024),
    default=8,
    show_default=True,
    help="The most images that the engine can take at once.",
)
@click.option(
    "--workspace",
    type=Count(1),
    default=1024,
    show_default=True,
    metavar="MIB",
    help="The memory that TensorRT may use for an operator besides its tensors.",
)
@json_option
def command(bundle: Path, max_batch: int, workspace: int, as_json: bool) -> None:
    """Build the TensorRT engine of BUNDLE for this GPU, test it, and say where it lies; it takes minutes.

    `--provider tensorrt` uses the engine. One that exists for the same model, TensorRT, GPU and options is kept.
    """
    from edgefs_runtime.embedders.self_test import run_self_test
    from edgefs_runtime.embedders.tensorrt.engines import build_engine

    built = build_engine(bundle, test=run_self_test, largest_batch=max_batch, workspace=workspace)
    if as_json:
        echo_json({**vars(built), "path": str(built.path)})
        return
    did = "Built" if built.is_new else "There already:"
    echo(
        f"{did} {built.path} ({built.size / 1e6:.1f} MB, {built.precision}, batches to {built.largest_batch}) for "
        f"{built.gpu} and TensorRT {built.tensorrt}; golden embeddings agree by a cosine of {built.cosine:.5f}"
    )
