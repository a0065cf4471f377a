"""Where the benchmarks find their images: `$EDGEFS_DATA`, else ../shared/data beside the checkout."""

from __future__ import annotations

import os
import sys
from pathlib import Path


def data_folder() -> Path:
    """The folder with `neu_steel` and `magnetic_tile`; the script ends with one line where it is absent."""
    folder = Path(os.environ.get("EDGEFS_DATA") or Path(__file__).parents[2] / "shared" / "data")
    if not folder.is_dir():
        sys.exit(f"{folder}: no benchmark images here; set EDGEFS_DATA")
    weights = folder.parent / "torch_home"
    if weights.is_dir():
        os.environ.setdefault("TORCH_HOME", str(weights))
    return folder
