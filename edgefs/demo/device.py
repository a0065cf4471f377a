"""The device's side of the demo: the real commands in processes of their own, as on a camera without torch."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgefs_runtime.base.errors import EdgefsError

# What the console script does; and it says whether a training framework was loaded on the way.
_RUN = """
import sys
from edgefs.cli import main
try:
    main(prog_name="edgefs")
finally:
    print("loaded:", ",".join(sorted({"torch", "onnx", "sklearn"} & set(sys.modules))) or "none", file=sys.stderr)
"""


@dataclass
class Device:
    """A device that holds one bundle.

    Attributes:
        bundle: the file that was copied to it.
        state: its state folder, where the gallery lies.
        loaded: training frameworks that any of its processes loaded.
    """

    bundle: Path
    state: Path
    loaded: str = ""

    def forget_all(self) -> None:
        """Forget what an earlier demo taught; what else lies in the device's folder stays."""
        for file in self.state.glob("demo*.gallery*"):
            file.unlink()

    def asking(self, image: Path) -> tuple[str, ...]:
        """The words of a command that asks it about an image, by what it was taught."""
        (gallery,) = self.state.glob("demo*.gallery")
        return ("predict", str(self.bundle), str(image), "--gallery", str(gallery))

    def predict(self, images: Sequence[Path]) -> list[dict[str, Any]]:
        """What `edgefs predict --json` says of each image."""
        return [json.loads(line) for line in self._run("predict", self.bundle, *images, "--json").splitlines()]

    def enroll(self, label: str, images: Sequence[Path]) -> None:
        """Run `edgefs enroll`."""
        self._run("enroll", self.bundle, label, *images, "--force", "--actor", "demo")

    def _run(self, *arguments: str | Path) -> str:
        environment = {**os.environ, "EDGEFS_STATE": str(self.state), "PYTHONIOENCODING": "utf-8"}
        command = [sys.executable, "-c", _RUN, *map(str, arguments)]
        run = subprocess.run(  # noqa: S603 - this interpreter, our command
            command, env=environment, capture_output=True, text=True, encoding="utf-8", check=False
        )
        if run.returncode:
            said = run.stderr.partition("loaded: ")[0].strip()
            raise EdgefsError(f"edgefs {arguments[0]} failed on the device: {said[-300:]}")
        self.loaded = run.stderr.strip().rpartition("loaded: ")[2] or "?"
        return run.stdout
