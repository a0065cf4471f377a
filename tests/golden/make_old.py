"""Make tests/golden/old: what edgefs wrote before the formats were what they are now. Run in old checkouts.

    git archive ffda645 | tar x -C /tmp/ffda645     # the first gallery: schema 1, a merge leaves no row of its own
    git archive d3e84db | tar x -C /tmp/d3e84db     # the last RUN without an identity
    python tests/golden/make_old.py vectors /tmp/rows.npz                                     (today's code)
    PYTHONPATH=… of /tmp/ffda645 python tests/golden/make_old.py gallery /tmp/rows.npz        (that code)
    PYTHONPATH=… of /tmp/d3e84db python tests/golden/make_old.py run                          (that code)

PYTHONPATH names the checkout and its folders runtime, export and calibration; for `run` also its tests/support. Code as
old as ffda645 knows no bundle, so the first step writes down the seed and some embeddings of tests/golden/tiny.edgefs,
which is of 5b5f155 and has no identity either, and the second feeds them to the gallery of then.
"""

# ruff: noqa: I001 - modules of then, which are not where ours are
from __future__ import annotations

import shutil
import sys
from pathlib import Path

import numpy as np

HERE = Path(__file__).resolve().parent
OUT = HERE / "old"
DATA = Path("/tmp/golden/parts")  # stands in the RUN as the place of its images


def vectors(out: Path) -> None:
    """What tiny.edgefs says of itself, and the embeddings of what will be taught."""
    from edgefs_runtime import Bundle, Classifier

    bundle = Bundle.open(HERE / "tiny.edgefs")
    kept: dict[str, object] = {"digest": bundle.digest, "space_id": bundle.space_id, "name": bundle.name}
    for number, one in enumerate(bundle.seed_enrolments()):
        kept |= {f"seed{number}": one.vectors, f"label{number}": one.label, f"disposition{number}": one.disposition}
        kept |= {f"digests{number}": np.array(one.digests)}
    with Classifier.open(HERE / "tiny.edgefs", seed_only=True) as classifier:
        for first, count in ((0, 3), (3, 2), (5, 2)):
            paths = [HERE / "images" / "checks" / f"checks-{n:03}.png" for n in range(first, first + count)]
            kept[f"checks{first}"] = classifier.embed(paths, views=True)
    np.savez(out, **kept)


def gallery(rows: Path) -> None:
    """Two devices that teach, forget, undo, and of which one takes in the other."""
    import hashlib

    from edgefs_runtime.gallery import Gallery, Seed
    from edgefs_runtime.snapshot import Enrolment

    kept = np.load(rows)

    def taught(label: str, first: int, **fields: object) -> Enrolment:
        found = kept[f"checks{first}"]
        files = [HERE / "images" / "checks" / f"checks-{n:03}.png" for n in range(first, first + len(found))]
        digests = tuple(hashlib.sha256(file.read_bytes()).hexdigest() for file in files)
        return Enrolment(label, "defect", found, digests, **fields)

    enrolments = [
        Enrolment(
            str(kept[f"label{n}"]), str(kept[f"disposition{n}"]), kept[f"seed{n}"], tuple(kept[f"digests{n}"].tolist())
        )
        for n in range(3)
    ]
    seed = Seed(
        str(kept["digest"]), str(kept["space_id"]), kept["seed0"].shape[1], str(kept["name"]), tuple(enrolments)
    )
    folder = Path("/tmp/golden/first")
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    with Gallery.open(folder / "b", seed) as other:
        other.enroll(taught("Naht ü", 5, actor="Bea", groups=("p1", "p2")))
    with Gallery.open(folder / "first.gallery", seed) as mine:
        mine.enroll(taught("checks", 0, actor="Ana", reason="new pattern", thumbnails=(b"one", b"two", b"three")))
        mine.enroll(taught("checks", 3, actor="Ana", state="pending"))
        mine.forget("dots", actor="Ana", reason="never comes")
        mine.merge(folder / "b")
        mine.undo(actor="Jo")
        mine.forget("checks", actor="Jo")
    OUT.mkdir(exist_ok=True)
    shutil.copy(folder / "first.gallery", OUT / "first.gallery")


def run() -> None:
    """A RUN without an identity, with a head of its gallery."""
    import tiny

    from edgefs.adapting import adapt
    from edgefs.backbones import BACKBONES
    from edgefs.settings import AdaptSettings

    BACKBONES["tiny"] = tiny.tiny_backbone
    shutil.rmtree(DATA, ignore_errors=True)
    for kind in ("good", "stripes", "dots"):
        shutil.copytree(HERE / "images" / kind, DATA / kind)
    shutil.rmtree(OUT / "run", ignore_errors=True)
    settings = AdaptSettings(backbone="tiny", shots=4, name="parts", use_cache=False)
    adapt(DATA, OUT / "run", settings)


if __name__ == "__main__":
    import edgefs_runtime

    print("by the code in", edgefs_runtime.__file__)
    step, *arguments = sys.argv[1:]
    {"vectors": vectors, "gallery": gallery, "run": run}[step](*map(Path, arguments))
