"""Where things lie in the repository."""

from __future__ import annotations

import os
from pathlib import Path

ROOT = Path(__file__).parents[2]
SUPPORT = ROOT / "tests" / "support"
GOLDEN = ROOT / "tests" / "golden" / "tiny.edgefs"  # a bundle that knows good, stripes and dots
SHARED = Path(os.environ.get("EDGEFS_SHARED") or ROOT.parent / "shared")  # real images and weights, if they are here
TENSORRT = SUPPORT / "tensorrt_simulator"
