"""Print which of our files a cold `edgefs predict` passes, and which one frame passes through an open `Classifier`.

    python tools/walk.py BUNDLE IMAGE

A file counts when a function of it runs: it is what somebody has to read who follows the data. What a module does while
it is imported (its constants, classes and decorators) does not count, nor does a class that only holds values. Beside
it stands how many of our files are loaded at all, which is what a cold start pays for.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from types import FrameType

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = tuple(
    str(folder)
    for folder in (
        ROOT / "edgefs",
        *(ROOT / part / f"edgefs_{part}" for part in ("runtime", "export", "calibration")),
    )
)
_OPTIMIZED = 1  # a flag of code: set of functions, not of the bodies of modules and classes


class Walk:
    """The files whose functions run in a `with` block, in the order in which they are met."""

    def __init__(self) -> None:
        self.files: dict[str, None] = {}
        self._importing = 0

    @contextlib.contextmanager
    def watching(self) -> Iterator[None]:
        """Look on while the block runs, in all threads."""
        threading.setprofile(self._saw)
        sys.setprofile(self._saw)
        try:
            yield
        finally:
            sys.setprofile(None)
            threading.setprofile(None)

    def _saw(self, frame: FrameType, event: str, _argument: object) -> None:
        code = frame.f_code
        if code.co_name == "<module>" and event in ("call", "return"):
            self._importing += 1 if event == "call" else -1
        elif event == "call" and not self._importing and code.co_flags & _OPTIMIZED and is_ours(code.co_filename):
            self.files.setdefault(code.co_filename)


def is_ours(path: str) -> bool:
    return path.startswith(PACKAGES)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("bundle")
    parser.add_argument("image")
    options = parser.parse_args()
    cold, frame = Walk(), Walk()
    loaded = predict_once(cold, options.bundle, options.image)
    decide_once(frame, options.bundle, options.image)
    show("a cold `edgefs predict BUNDLE IMAGE`", cold, f" of {loaded} loaded")
    show("one frame through an open `Classifier.predict`", frame)


def predict_once(walk: Walk, bundle: str, image: str) -> int:
    """Run the command as a shell does, and return how many of our files it loaded."""
    with walk.watching(), contextlib.redirect_stdout(io.StringIO()), contextlib.suppress(SystemExit):
        from edgefs.cli import main as edgefs

        edgefs(["predict", bundle, image], prog_name="edgefs")
    return sum(is_ours(getattr(module, "__file__", None) or "") for module in list(sys.modules.values()))


def decide_once(walk: Walk, bundle: str, image: str) -> None:
    """Decide about one frame in memory, as a camera hands it over; the first frame warms up."""
    import numpy as np
    from PIL import Image

    from edgefs_runtime import Classifier

    frame = np.asarray(Image.open(image).convert("RGB"))
    with Classifier.open(bundle) as classifier:
        classifier.predict(frame)
        with walk.watching():
            classifier.predict(frame)


def show(what: str, walk: Walk, beside: str = "") -> None:
    print(f"{what}: {len(walk.files)} files{beside}")
    for path in walk.files:
        print(f"    {Path(path).relative_to(ROOT)}")


if __name__ == "__main__":
    main()
