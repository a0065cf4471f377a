"""Commands as a shell runs them."""

from __future__ import annotations

import subprocess
import sys

RUN = """
import sys
from edgefs.cli import main
try:
    main()
finally:
    sys.stderr.write("\\nloaded " + " ".join(sorted(sys.modules)))
"""
HEAVY = {"torch", "torchvision", "onnx", "onnxscript", "sklearn", "scipy", "rich", "jinja2"}


def edgefs(*arguments: object, code: str = RUN) -> subprocess.CompletedProcess[str]:
    """Run a command; nothing heavy may be loaded, whatever it does."""
    command = [sys.executable, "-c", code, *map(str, arguments)]
    run = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    said, _, modules = run.stderr.rpartition("\nloaded ")
    assert not HEAVY & set(modules.split()), "a device command loaded what a device does not have"
    assert "Traceback" not in said, said
    run.stderr = said
    return run
