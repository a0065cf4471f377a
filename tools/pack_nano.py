"""Make a RUN of `edgefs distill --student nano` the package's own weights, with the curve of its training.

    python tools/pack_nano.py RUN

Writes nano.safetensors and nano.json in edgefs/backbones; the model card beside them is written by hand.
"""

import json
import sys
from pathlib import Path

from safetensors.torch import load_file

from edgefs.backbones.nano import NANO_WEIGHTS, pack_nano
from edgefs.runs.run import STUDENT, DistilledRun


def main() -> None:
    run = DistilledRun.open(Path(sys.argv[1]))
    if run.record.backbone.name != "nano":
        sys.exit(f"{run.folder}: a {run.record.backbone.name}, and only nano is packaged")
    packed = pack_nano(load_file(run.folder / STUDENT))
    said = run.record.to_json()
    told = {key: said[key] for key in ("teacher", "data", "settings", "seed", "notes", "versions")}
    NANO_WEIGHTS.write_bytes(packed)
    content = json.dumps({**told, **run.metrics}, indent=1, sort_keys=True, ensure_ascii=False)
    NANO_WEIGHTS.with_suffix(".json").write_text(f"{content}\n", encoding="utf-8")
    print(f"{NANO_WEIGHTS.name}: {len(packed) / 1e6:.1f} MB")


if __name__ == "__main__":
    main()
