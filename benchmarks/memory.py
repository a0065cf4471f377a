"""Peak memory of deciding about one large frame, by format and depth: a row of docs/measurements.md.

    python benchmarks/memory.py [--bundle FILE.edgefs] [--megapixels 12]

Each row is a fresh process that opens the bundle, decides about a small frame, and then about the large one. Peak is
the most that its resident memory grew by meanwhile; decoded is the frame in memory as its file describes it, alpha
included. Linux only: it reads VmHWM.
"""

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

import argparse
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

GOLDEN = Path(__file__).parents[1] / "tests" / "golden" / "tiny.edgefs"
_CHILD = """
import re, sys
import numpy as np
from edgefs_runtime.classifier import Classifier
def resident(field):
    return int(re.search(field + r":\\s+(\\d+)", open("/proc/self/status").read())[1])
classifier = Classifier.open(sys.argv[1], seed_only=True, challenge=False)
classifier.predict([np.zeros((64, 64), np.uint8), sys.argv[3]])
open("/proc/self/clear_refs", "w").write("5")  # the peak so far is forgotten
before = resident("VmRSS")
classifier.predict([sys.argv[2]])
print(resident("VmHWM") - before)
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--bundle", type=Path, default=GOLDEN)
    parser.add_argument("--megapixels", type=float, default=12)
    options = parser.parse_args()
    side = round((options.megapixels * 1e6) ** 0.5)
    print(f"{'':32}{'decoded MB':>12}{'peak MB':>10}{'times':>8}")
    with tempfile.TemporaryDirectory() as folder:
        for (name, path, decoded), (_, like, _) in zip(
            frames(side, Path(folder)), frames(64, Path(folder), prefix="small"), strict=True
        ):
            peak = 1024 * measured(options.bundle, path, like)
            print(f"{name:32}{decoded / 1e6:>12.0f}{peak / 1e6:>10.0f}{peak / decoded:>8.2f}", flush=True)
            path.unlink()


def measured(bundle: Path, path: Path, like: Path) -> int:
    """Growth of the peak in KiB; `like` is a small file of the same kind, whose decoder is loaded before."""
    command = [sys.executable, "-c", _CHILD, str(bundle), str(path), str(like)]
    return int(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


def frames(side: int, folder: Path, prefix: str = "frame") -> Iterator[tuple[str, Path, int]]:
    """Name, file, and bytes of the decoded frame, made one after the other."""
    grey, rgb = texture(side), np.dstack([texture(side)] * 3)
    rgba = np.dstack([rgb, 255 - grey // 3])
    deep = grey.astype(np.uint16) * 257
    for number, (name, pixels, format, options) in enumerate(
        [
            ("TIFF grey 8 bit", grey, "TIFF", {}),
            ("TIFF grey 16 bit", deep, "TIFF", {}),
            ("TIFF grey 16 bit, LZW", deep, "TIFF", {"compression": "tiff_lzw"}),
            ("TIFF RGB 8 bit", rgb, "TIFF", {}),
            ("TIFF RGBA 8 bit", rgba, "TIFF", {}),
            ("PNG grey 8 bit", grey, "PNG", {"compress_level": 1}),
            ("PNG grey 16 bit", deep, "PNG", {"compress_level": 1}),
            ("PNG RGB 8 bit", rgb, "PNG", {"compress_level": 1}),
            ("PNG RGBA 8 bit", rgba, "PNG", {"compress_level": 1}),
            ("JPEG grey", grey, "JPEG", {"quality": 90}),
            ("JPEG RGB", rgb, "JPEG", {"quality": 90}),
            ("JPEG RGB, progressive", rgb, "JPEG", {"quality": 90, "progressive": True}),
            ("BMP RGB 8 bit", rgb, "BMP", {}),
            ("WebP RGB", rgb, "WEBP", {"quality": 80, "method": 0}),
        ]
    ):
        path = folder / f"{prefix}{number}"
        Image.fromarray(pixels).save(path, format, **options)
        yield name, path, pixels.nbytes
    yield from deep_colour(deep, folder, prefix)


def deep_colour(deep: NDArray[np.uint16], folder: Path, prefix: str) -> Iterator[tuple[str, Path, int]]:
    """Colour of 16 bits, which Pillow does not write."""
    sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "support"))
    from containers import netpbm, png, tiff

    rgb = np.dstack([deep] * 3)
    rgba = np.dstack([rgb, 65535 - deep // 3])
    for name, pixels, encoded in (
        ("TIFF RGB 16 bit", rgb, lambda: tiff({"samples": rgb, "rows": 64})),
        ("TIFF RGBA 16 bit", rgba, lambda: tiff({"samples": rgba, "rows": 64, "extra": [2]})),
        ("PNG RGB 16 bit", rgb, lambda: png(rgb, 2, 16)),
        ("PNG RGBA 16 bit", rgba, lambda: png(rgba, 6, 16)),
        ("PGM 16 bit", deep, lambda: netpbm(deep, 65535)),
    ):
        path = folder / f"{prefix}{name.replace(' ', '-')}"
        path.write_bytes(encoded())
        yield name, path, pixels.nbytes


def texture(side: int) -> NDArray[np.uint8]:
    """uint8 `[side,side]` that compresses like a photograph of brushed metal."""
    y, x = np.mgrid[:side, :side].astype(np.float32)
    noise = np.random.default_rng(0).normal(0, 6, (side, side)).astype(np.float32)
    return np.clip(128 + 60 * np.sin(x / 90) + 30 * np.cos(y / 70) + noise, 0, 255).astype(np.uint8)


if __name__ == "__main__":
    main()
