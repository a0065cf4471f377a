"""Make the golden files of today's formats, from the rendered pictures in tests/golden/images.

    PYTHONPATH=tests/support python tests/golden/make.py             (it was the code at 8fe5467)
    PYTHONPATH=tests/support python tests/golden/make.py observe     (expected/ alone)
    PYTHONPATH=tests/support python tests/golden/make.py kept        (kept.* alone)

- `run/`: a RUN of the tiny backbone with a trained head, the successor of `old/run`; `old/identified/run.json` is its
  own of format 1.0, from before checksums.
- `line.edgefs`: its bundle, with thumbnails. `tiny.edgefs` is an older one, from before identities (5b5f155).
- `line.gallery`, `.snapshot`, `.challenge`: a device that taught, forgot, undid, merged, refined, carried over and was
  realigned, what its owner left for readers, and the parts that guard it.
- `other.gallery`: another device's, of which `line.gallery` merged the beginning.
- `kept.edgefs`, `kept.gallery`: the same model and a device of it with kept pictures that are PNG files, of image files
  and of frames of 12 bits; those in the files above are JPEG files.
- `expected/`: what `tests/support/observing.py` saw of each. `old/` is made by `make_old.py`.

Device names, times and the arithmetic's last bits differ from run to run, so what is committed is not made again unless
a format changes; then a file of the old format moves to `old/`, and its expected values stay.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
from pathlib import Path

import numpy as np
from bundles import remade
from observing import of_bundle, of_gallery, of_run
from parts import KINDS, parts
from PIL import Image
from textures import draw
from tiny import BACKBONES, tiny_backbone

from edgefs_runtime import Bundle, Classifier

HERE = Path(__file__).resolve().parent
DATA = Path("/tmp/golden/parts")  # stands in the RUN as the place of its images
WORK = Path("/tmp/golden/work")


def make_run() -> None:
    from edgefs.pipelines.adapt import adapt
    from edgefs.pipelines.export import export
    from edgefs.settings.adapt import AdaptSettings

    shutil.rmtree(DATA, ignore_errors=True)
    for kind in KINDS:
        shutil.copytree(HERE / "images" / kind, DATA / kind)
    settings = AdaptSettings(
        backbone="tiny", shots=4, name="line 4", symmetries=("h",), roi=(2, 2, 28, 28), head="logistic",
        succeeds="old/run", unknown="RECHECK", overkill=0.1, use_cache=False,
    )  # fmt: skip
    adapt(DATA, HERE / "run", settings, overwrite=True)
    export(HERE / "run", HERE / "line.edgefs", version="7", keep_images="support", use_cache=False)


def make_galleries() -> None:
    """Every kind of act and of row that there is."""
    shutil.rmtree(WORK, ignore_errors=True)
    shutil.rmtree(os.environ["EDGEFS_STATE"], ignore_errors=True)
    WORK.mkdir(parents=True)
    bundle, mine, other = HERE / "line.edgefs", WORK / "line.gallery", WORK / "other.gallery"
    with Classifier.open(bundle, gallery=other) as theirs:
        theirs.enroll(
            "Naht ü", parts("checks", 6, 2), disposition="defect", actor="Bea", groups=("p1", "p2"), force=True
        )
    shutil.copy(other, WORK / "before.gallery")
    with Classifier.open(bundle, gallery=other) as theirs:
        theirs.realign(dimmed(24), kind="mean", force=True, actor="Bea", reason="new lamp")
        theirs.enroll("Naht ü", parts("checks", 5, 1), actor="Bea")
        theirs.forget("stripes", force=True, actor="Bea", reason="gone")
    preprocess = {**Bundle.open(bundle).manifest.raw["preprocess"], "interpolation": "bicubic"}
    precise = remade(bundle, WORK / "precise.edgefs", preprocess=preprocess)  # another space, as another precision has
    with Classifier.open(precise) as before:
        before.enroll("Kratzer", parts("checks", 4, 2), disposition="defect", actor="Cy", keep_images=True)
    with Classifier.open(bundle, gallery=mine) as here:
        here.challenge.add(parts("good", 7, 1), "OK", here.judge, label="good", actor="Ana")
        here.challenge.add(parts("stripes", 7, 1), "NG", here.judge, actor="Ana")
        here.enroll(
            "checks", parts("checks", 0, 3), disposition="defect", actor="Ana", reason="new pattern", force=True
        )
        here.enroll("good", parts("dots", 6, 1), actor="Ana", force=True)
        here.undo(actor="Ana", reason="a slip")
        here.forget("dots", actor="Ana", reason="never comes", force=True)
        here.undo(actor="Jo", force=True)
        here.merge(WORK / "before.gallery", actor="Ana", force=True)
        pend(here)
        here.carry(precise, actor="Ana", force=True)
        print("refined", here.refine(unlabelled(20), actor="Ana", force=True))
        here.merge(other, actor="Ana", force=True)
        here.undo(actor="Ana", force=True)
        here.realign(dimmed(24), kind="moments", force=True, actor="Ana", reason="new lamp")
        here.challenge.add(parts("checks", 7, 1), "NG", here.judge, actor="Jo", retaken=True)
        here.enroll("checks", parts("checks", 3, 1), actor="Ana", force=True)
        print(here.judge.snapshot.counts, here.gallery.check())
    for name in ("line.gallery", "line.gallery.snapshot", "other.gallery"):
        shutil.copy(WORK / name, HERE / name)
    shutil.rmtree(HERE / "line.challenge", ignore_errors=True)
    shutil.copytree(WORK / "line.challenge", HERE / "line.challenge")


def make_kept() -> None:
    """A bundle and a gallery, of schema 3, with pictures of what the network was shown."""
    from edgefs.pipelines.export import export

    shutil.rmtree(WORK, ignore_errors=True)
    WORK.mkdir(parents=True)
    export(
        HERE / "run", HERE / "kept.edgefs", version="8", keep_images="support", data=HERE / "images", use_cache=False
    )
    with Classifier.open(HERE / "kept.edgefs", gallery=WORK / "kept.gallery") as here:
        here.enroll("checks", parts("checks", 0, 3), groups=("p1", "p1", ""), disposition="defect", actor="Ana")
        here.enroll("rings", deep(2), disposition="defect", actor="Ana", force=True)
        here.forget("checks", actor="Jo", force=True)
        here.undo(actor="Jo", force=True)
    shutil.copy(WORK / "kept.gallery", HERE / "kept.gallery")


def deep(count: int) -> list[np.ndarray]:
    """Frames of 12 bits in 16, uint16 `[H,W]`."""
    return [draw("checks", number, 32)[:, :, 0].astype(np.uint16) * 16 + 5 for number in range(50, 50 + count)]


def pend(here: Classifier) -> None:
    """One row that waits for an approver: no command writes such a row yet, the format has it."""
    from edgefs_runtime.decision.snapshot import Enrolment

    (image,) = parts("checks", 4, 1)
    vectors = here.embed([image], views=True)
    here.gallery.enroll(Enrolment("checks", "defect", vectors, ("ab" * 32,), ("part 9",), state="pending", actor="Eve"))


def dimmed(count: int) -> list[np.ndarray]:
    """Pictures of a weaker lamp, uint8 RGB `[H,W,3]`."""
    paths = [path for kind in (*KINDS, "checks") for path in parts(kind, 0, count // 4)]
    return [(np.asarray(Image.open(path)) * 0.8).astype(np.uint8) for path in paths]


def unlabelled(count: int) -> list[np.ndarray]:
    """Pictures that nobody has named, uint8 RGB `[H,W,3]`."""
    return [draw(kind, number, 32) for kind in KINDS for number in range(100, 100 + count)]


def observe() -> None:
    """Write down what is seen of every golden file."""
    seen = {
        "line.json": {"bundle": of_bundle(HERE / "line.edgefs"), "gallery": of_gallery("line.edgefs", "line.gallery")},
        "other.json": {"gallery": of_gallery("line.edgefs", "other.gallery")},
        "run.json": of_run(HERE / "run"),
        "tiny.json": {"bundle": of_bundle(HERE / "tiny.edgefs")},
        "old-run.json": of_run(HERE / "old" / "run"),
        "old-first.json": {"gallery": of_gallery("tiny.edgefs", "old/first.gallery")},
        "kept.json": {"bundle": of_bundle(HERE / "kept.edgefs"), "gallery": of_gallery("kept.edgefs", "kept.gallery")},
    }
    if "kept" in sys.argv:
        seen = {"kept.json": seen["kept.json"]}
    (HERE / "expected").mkdir(exist_ok=True)
    for name, content in seen.items():
        (HERE / "expected" / name).write_text(
            json.dumps(content, indent=1, ensure_ascii=False) + "\n", encoding="utf-8"
        )


if __name__ == "__main__":
    os.environ["EDGEFS_STATE"] = "/tmp/golden/state"
    os.chdir(HERE)  # no path of this machine may stand in a RUN
    BACKBONES["tiny"] = tiny_backbone
    if "kept" in sys.argv:
        make_kept()
    elif "observe" not in sys.argv:
        make_run()
        make_galleries()
        make_kept()
    observe()
