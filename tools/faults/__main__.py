"""Run the torture and print its table: `python tools/faults --small`, `--only kills --seed 7`, `-o rows.md`."""

from __future__ import annotations

import argparse
import os
import sys
import time
from pathlib import Path

_TOOLS = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(_TOOLS), str(_TOOLS.parent / "tests" / "support")]
os.environ.setdefault("OMP_NUM_THREADS", "1")

from faults import shim  # noqa: E402 - it may replace this process


def main() -> int:
    """Run the parts; 1 where a row is not as wanted, 2 where the shim can't be built."""
    from faults.parts import PARTS
    from faults.table import as_markdown, as_text

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", action="append", choices=list(PARTS), help="a part; may be given again")
    parser.add_argument("--small", action="store_true", help="the subset that the test suite runs")
    parser.add_argument("--count", type=int, help="tries, instead of the part's own number")
    parser.add_argument("--examples", type=int, default=1, help="of each kind of problem that are printed")
    parser.add_argument("--seed", type=int, default=0, help="of every choice")
    parser.add_argument("-o", dest="out", type=Path, help="write the table as Markdown")
    options = parser.parse_args()
    if not shim.is_loaded():
        print("this needs Linux with a C compiler (cc)", file=sys.stderr)
        return 2
    rows = []
    for name in options.only or PARTS:
        started = time.monotonic()
        part = PARTS[name]
        rows += (found := part.run(options.count or (part.small if options.small else part.whole), options.seed))
        print(as_text(found, options.examples), f"       {name}: {time.monotonic() - started:.0f} s", sep="\n", flush=True)
    if options.out:
        options.out.write_text(as_markdown(rows) + "\n", encoding="utf-8")
    return int(not all(row.holds for row in rows))


if __name__ == "__main__":
    shim.run_again_below_it()
    sys.exit(main())
