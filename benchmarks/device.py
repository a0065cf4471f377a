"""What the runtime costs beside a script written by hand (`by_hand.py`), with the same MobileNetV2 at 224 pixels.

    python benchmarks/device.py [--shots 5] [--rounds 600] [--processes 21]

Prints three ratios: `Classifier.predict` on a frame in memory, interleaved with the script in one process; a cold
`edgefs predict` of one image as a whole process; and the peak memory of that process. Medians; absolute times are this
machine's.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from by_hand import ByHand
from data import data_folder
from PIL import Image

from edgefs.pipelines.adapt import adapt
from edgefs.pipelines.export import export
from edgefs.render import PART_KINDS, render_part, write_line
from edgefs.settings.adapt import AdaptSettings
from edgefs_runtime import Classifier

TURN, UNCOUNTED = 20, 5  # calls
EDGEFS = Path(sys.executable).with_name("edgefs")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--shots", type=int, default=5, help="of each of six classes: the gallery's size")
    parser.add_argument("--rounds", type=int, default=600)
    parser.add_argument("--processes", type=int, default=21)
    options = parser.parse_args()
    data_folder()  # for TORCH_HOME
    with tempfile.TemporaryDirectory() as folder:
        os.environ["EDGEFS_STATE"] = folder
        bundle = prepare(Path(folder), options.shots)
        print(f"{platform.machine()}, {os.cpu_count()} cores, {len(PART_KINDS) * options.shots} images in the gallery")
        warm(bundle, Path(folder), options.rounds)
        cold(bundle, Path(folder), options.processes)


def prepare(folder: Path, shots: int) -> Path:
    """A bundle of MobileNetV2, and the same model with its class means for the script."""
    write_line(folder / "line", shots + 2, 0)
    adapt(folder / "line", folder / "run", AdaptSettings(backbone="mobilenet_v2", shots=shots))
    export(folder / "run", folder / "line.edgefs")
    with Classifier.open(folder / "line.edgefs") as classifier:
        (folder / "embedder.onnx").write_bytes(classifier.bundle.model)
        snapshot = classifier.judge.snapshot
        means = np.stack([snapshot.rows[snapshot.classes == c, 0].mean(axis=0) for c in range(len(snapshot.labels))])
        np.savez(folder / "means.npz", means=means, labels=np.array(snapshot.labels))
    Image.fromarray(render_part(np.random.default_rng(5), "dent", 480)).save(folder / "frame.png")
    return folder / "line.edgefs"


def warm(bundle: Path, folder: Path, rounds: int) -> None:
    """One frame in memory, as a camera hands it over; the two in turns of some calls each.

    A turn's first calls are not counted: the other's idle threads are still spinning then.
    """
    script = ByHand(str(folder / "embedder.onnx"), str(folder / "means.npz"))
    frame = np.asarray(Image.open(folder / "frame.png").convert("RGB"))
    seconds: dict[str, list[float]] = {"edgefs": [], "by hand": []}
    with Classifier.open(bundle) as classifier:
        for turn in range(-1, rounds // TURN):
            for name, run in (
                ("edgefs", lambda: classifier.predict([frame])),
                ("by hand", lambda: script.predict(Image.fromarray(frame))),
            ):
                for call in range(UNCOUNTED + TURN):
                    began = time.perf_counter()
                    run()
                    if turn >= 0 and call >= UNCOUNTED:
                        seconds[name].append(time.perf_counter() - began)
    report("Classifier.predict, a frame in memory", seconds, 1000, "ms")


def cold(bundle: Path, folder: Path, processes: int) -> None:
    """Time whole processes, the two in turn, started by a small process: a child's peak memory counts its parent's."""
    by_hand = [sys.executable, str(Path(__file__).with_name("by_hand.py"))]
    commands = {
        "edgefs": [str(EDGEFS), "predict", str(bundle), str(folder / "frame.png")],
        "by hand": [*by_hand, str(folder / "embedder.onnx"), str(folder / "means.npz"), str(folder / "frame.png")],
    }
    starter = [sys.executable, "-c", STARTER, str(processes), json.dumps(commands)]
    # Installed packages have their bytecode; from a checkout the uncounted first run may write it.
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    measured = json.loads(subprocess.run(starter, capture_output=True, text=True, check=True, env=environment).stdout)
    report("a cold `edgefs predict` of one image", measured["seconds"], 1000, "ms")
    report("its peak memory", measured["kilobytes"], 1 / 1024, "MiB")


STARTER = """
import json, os, subprocess, sys, time
commands = json.loads(sys.argv[2])
seconds, kilobytes = ({name: [] for name in commands} for _ in range(2))
for number in range(int(sys.argv[1]) + 1):
    for name, command in commands.items():
        began = time.perf_counter()
        _, status, usage = os.wait4(subprocess.Popen(command, stdout=subprocess.DEVNULL).pid, 0)
        if status:
            sys.exit(f"{command} failed")
        if number:
            seconds[name].append(time.perf_counter() - began)
            kilobytes[name].append(usage.ru_maxrss)
print(json.dumps({"seconds": seconds, "kilobytes": kilobytes}))
"""


def report(what: str, values: dict[str, list[float]], scale: float, unit: str) -> None:
    """The ratio pair by pair, and the two medians."""
    ratio = statistics.median(a / b for a, b in zip(values["edgefs"], values["by hand"], strict=True))
    ours, theirs = (scale * statistics.median(values[name]) for name in ("edgefs", "by hand"))
    print(f"{what:42} {ratio:.3f} x by hand   ({ours:.1f} {unit} against {theirs:.1f})", flush=True)


if __name__ == "__main__":
    main()
