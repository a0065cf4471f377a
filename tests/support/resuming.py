"""A training that is done at once, and the same one killed in its middle and started again."""

from __future__ import annotations

import signal
from pathlib import Path

import torch
from killing import Launcher, Stop

# What each start would load anew: seconds that have nothing to do with resuming.
LOADED = (
    *("edgefs.pipelines.distill", "edgefs.pipelines.adapt", "edgefs.methods.features.method", "lightning_fabric"),
    *("torchvision.models.feature_extraction", "jinja2"),
)


def trained_at_once_and_in_two_goes(folder: Path, *arguments: object, epochs: int) -> tuple[Path, Path]:
    """Run a command of edgefs twice, the second time with a kill -9 after `epochs` epochs of its first training.

    Args:
        folder: where both write.
        arguments: of the command, less its `-o`.
        epochs: that have a checkpoint when it is killed.

    Returns:
        What the undisturbed one wrote, and what the other did.
    """
    whole, killed = folder / "whole", folder / "killed"
    with Launcher("tiny", f"edgefs.cli.{arguments[0]}", *LOADED) as launcher:
        assert launcher.run(*arguments, "-o", whole).status == 0
        next_checkpoint = Stop(epochs + 1, at=".pt.")  # one that is about to get its name
        assert launcher.run(*arguments, "-o", killed, stop=next_checkpoint).status == -signal.SIGKILL
        (checkpoint,) = (folder / ".killed.training").glob("*.pt")
        assert torch.load(checkpoint, weights_only=True)["epochs"][-1]["number"] == epochs
        again = launcher.run(*arguments, "-o", killed)
        assert again.status == 0, again.said
    assert not (folder / ".killed.training").exists()
    return whole, killed
