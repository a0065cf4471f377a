"""A bundle of `nano` and rendered parts, for the machine with the workstation to hand to the one that is emulated.

    python tools/arm/prepare.py FOLDER [BUNDLE ...]

FOLDER gets `asked/`, images of every kind of part, `taught/`, five of a kind that the bundle does not know, and
`bundles/`: the ones named, else one made here from rendered parts.
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

from edgefs.pipelines.adapt import adapt
from edgefs.pipelines.export import export
from edgefs.render import PART_KINDS, write_line
from edgefs.settings.adapt import AdaptSettings

KEPT_BACK = "burr"
SHOTS, TAUGHT, ASKED = 5, 5, 4  # images of each kind
LEARNED_SEED, TAUGHT_SEED, ASKED_SEED = 0, 1, 2


def main(folder: Path, bundles: list[Path]) -> None:
    write_line(folder / "asked", ASKED, ASKED_SEED)
    write_line(folder / "taught", TAUGHT, TAUGHT_SEED, [KEPT_BACK])
    (folder / "bundles").mkdir(parents=True)
    for bundle in bundles:
        if (folder / "bundles" / bundle.name).exists():
            sys.exit(f"{bundle}: another bundle has this name too; rename one")
        shutil.copy(bundle, folder / "bundles")
    if not bundles:
        _make(folder)


def _make(folder: Path) -> None:
    known = [kind for kind in PART_KINDS if kind != KEPT_BACK]
    write_line(folder / "learned", SHOTS + 1, LEARNED_SEED, known)
    adapt(folder / "learned", folder / "run", AdaptSettings(backbone="nano", shots=SHOTS, name="parts"))
    export(folder / "run", folder / "bundles" / "nano.edgefs")


if __name__ == "__main__":
    main(Path(sys.argv[1]), [Path(name) for name in sys.argv[2:]])
