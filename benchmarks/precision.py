"""What int8 and float16 cost and bring: `edgefs export` on real sets, its own gate and timing printed.

    python benchmarks/precision.py [--backbones mobilenet_v2 squeezenet1_1 nano] [--sets neu_steel magnetic_tile]
                                   [--isa avx2]

Every line is a file that was played through the gate: 5-shot episodes from images that neither taught nor calibrated,
the one-sided 95 % bound of what is lost in accuracy and in the AUROC of unknowns, and the speed against float32 on this
machine (medians, interleaved, one thread). The head is `lda`. `auto` is what `--precision auto` would ship.
"""

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

import argparse
import tempfile
from pathlib import Path

from data import data_folder

from edgefs.cli.precision import trial_table
from edgefs.pipelines.adapt import adapt
from edgefs.pipelines.export import export
from edgefs.pipelines.export.precision import DeploySettings, GateError
from edgefs.settings.adapt import AdaptSettings

_PLACES = {"neu_steel": Path("neu_steel"), "magnetic_tile": Path("magnetic_tile/parts.csv")}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--backbones", nargs="+", default=["mobilenet_v2", "squeezenet1_1", "nano"])
    parser.add_argument("--sets", nargs="+", choices=list(_PLACES), default=list(_PLACES))
    parser.add_argument("--precision", choices=["int8", "auto"], default="auto")
    parser.add_argument("--isa", choices=["vnni", "avx2"], default="vnni", help="of the processor that measures")
    parser.add_argument("--max-drop", type=float, default=0.5)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        for backbone in options.backbones:
            for name in options.sets:
                one(backbone, name, options, Path(folder))


def one(backbone: str, name: str, options: argparse.Namespace, folder: Path) -> None:
    adapt(
        data_folder() / _PLACES[name],
        folder / "run",
        AdaptSettings(backbone=backbone, head="lda", shots=5),
        overwrite=True,
    )
    deployment = DeploySettings(precision=options.precision, isa=options.isa, max_drop=options.max_drop)
    print(f"{backbone}, {name}, 5 shots, at most {options.max_drop:g} points", flush=True)
    try:
        deployed = export(folder / "run", folder / "b.edgefs", deployment=deployment).deployed
    except GateError as error:
        print("\n".join(f"  {line}" for line in (*trial_table(error.trials), str(error))), flush=True)
        return
    shipped = deployed.chosen.name if deployed.chosen else "fp32"
    lines = (*trial_table(deployed.trials), *deployed.notes, f"shipped: {shipped}")
    print("\n".join(f"  {line}" for line in lines), flush=True)


if __name__ == "__main__":
    main()
