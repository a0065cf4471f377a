"""Run the torture and print its table: `python tools/faults --small`, `--only kills --seed 7`, `-o rows.md`."""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

_TOOLS = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(_TOOLS), str(_TOOLS.parent / "tests" / "support")]
os.environ.setdefault("OMP_NUM_THREADS", "1")

from faults import shim  # noqa: E402 - it may replace this process
from faults.table import as_text, table_of, table_row  # noqa: E402


def main() -> int:
    """Run the parts; 1 where a row is not as wanted, 2 where the shim can't be built."""
    from faults.parts import PARTS

    options = _options(list(PARTS))
    if not shim.is_loaded():
        print("this needs Linux with a C compiler (cc)", file=sys.stderr)
        return 2
    names = options.only or list(PARTS)
    if len(names) > 1:
        return _side_by_side(names, options)
    (part,) = (PARTS[name] for name in names)
    started = time.monotonic()
    rows = part.run(options.count or (part.small if options.small else part.whole), options.seed)
    print(
        as_text(rows, options.examples), f"       {names[0]}: {time.monotonic() - started:.0f} s", sep="\n", flush=True
    )
    if options.out:
        options.out.write_text("".join(map(table_row, rows)), encoding="utf-8")
    return int(not all(row.holds for row in rows))


def _options(names: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", action="append", choices=names, help="a part; may be given again")
    parser.add_argument("--small", action="store_true", help="the subset that the test suite runs")
    parser.add_argument("--count", type=int, help="tries, or seconds, instead of the part's own number")
    parser.add_argument("--examples", type=int, default=1, help="of each kind of problem that are printed")
    parser.add_argument("--seed", type=int, default=0, help="of every choice")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="parts that run at a time")
    parser.add_argument("-o", dest="out", type=Path, help="write the table as Markdown")
    return parser.parse_args()


def _side_by_side(names: list[str], options: argparse.Namespace) -> int:
    """Each part in a process of its own, which prints when it is done."""
    words = ["--seed", str(options.seed), "--examples", str(options.examples), *(["--small"] * options.small)]
    words += ["--count", str(options.count)] if options.count else []
    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(options.jobs) as pool:

        def run(name: str) -> int:
            command = [sys.executable, str(Path(__file__).parent), "--only", name, *words, "-o", f"{folder}/{name}"]
            ended = subprocess.run(command, capture_output=True, text=True, check=False)
            print(ended.stdout + ended.stderr, end="", flush=True)
            return ended.returncode

        statuses = list(pool.map(run, names))
        if options.out:
            files = [Path(folder, name) for name in names]
            options.out.write_text(
                table_of(path.read_text("utf-8") for path in files if path.exists()), encoding="utf-8"
            )
    return max(statuses)


if __name__ == "__main__":
    shim.run_again_below_it()
    sys.exit(main())
