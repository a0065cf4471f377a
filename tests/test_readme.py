"""The README's examples run as they are printed, in one folder, in their order.

- A ```console block is one shell: lines that begin with `$ ` are typed, the lines below come out of both streams.
- `…` stands for anything in a line, and alone for any number of lines.
- Numbers may differ as the README says: a rate by 10 points, a p-value by 0.1, anything else by a tenth.
- A ```python block is run by the interpreter.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).parents[1]
TEXT = (ROOT / "README.md").read_text(encoding="utf-8")
ANYTHING = "…"
POINTS, P_VALUE, SHARE = 10.0, 0.1, 0.1
NUMBER = re.compile(r"(?<![\w./])\d+(?:\.\d+)?(?:e-\d+)?(?: %)?(?![\w/])")
ENDS = "--- end of a command ---"

pytestmark = pytest.mark.skipif(find_spec("torch") is None, reason="the README adapts a network, which needs torch")


class Step(NamedTuple):
    """A command, what is printed below it, and what it printed when it was run."""

    command: str
    printed: list[str]
    got: list[str]


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL)


def typed(block: str) -> list[tuple[str, list[str]]]:
    """The commands of a block, each with the lines printed below it."""
    found: list[tuple[str, list[str]]] = []
    for line in block.splitlines():
        if line.startswith("$ "):
            found.append((line[2:], []))
        else:
            found[-1][1].append(line)
    return found


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("readme")


@pytest.fixture(scope="module")
def environment(folder: Path, session_cache: Path) -> dict[str, str]:
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    own = {"PATH": path, "EDGEFS_STATE": str(folder / "state"), "EDGEFS_CACHE": str(session_cache)}
    return {**os.environ, **own, "PYTHONIOENCODING": "utf-8", "COLUMNS": "120", "OMP_NUM_THREADS": "1"}


@pytest.fixture(scope="module")
def steps(folder: Path, environment: dict[str, str]) -> list[Step]:
    """All commands of the README, each block in a shell of its own."""
    return [step for block in blocks("console") for step in run_in_a_shell(block, folder, environment)]


def run_in_a_shell(block: str, folder: Path, environment: dict[str, str]) -> Iterator[Step]:
    commands = typed(block)
    script = "".join(f"{command}\necho '{ENDS}'\n" for command, _ in commands)
    run = subprocess.run(
        ["bash", "-c", script],
        cwd=folder,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        check=False,
    )
    outputs = run.stdout.split(f"{ENDS}\n")[:-1]
    assert len(outputs) == len(commands)
    for (command, printed), output in zip(commands, outputs, strict=True):
        yield Step(command, printed, output.splitlines())


def allowed(printed: str, before: str, after: str) -> float:
    """How far a number may lie from the one that is printed; 29 of 30 is a rate in other words."""
    if printed.endswith("%") or re.match(r" to [\d.]+ %", after):
        return POINTS
    if counted := re.match(r" of (\d+)", after):
        return POINTS / 100 * int(counted[1])
    return P_VALUE if before.endswith("p ") else SHARE * float(printed)


def is_alike(printed: str, got: str) -> bool:
    """Whether a line says what the README prints: the same words, and numbers within what may differ."""
    pattern, bounds, at = "", [], 0
    for match in NUMBER.finditer(printed):
        number = NUMBER.pattern.replace("(?: %)?", " %" if match[0].endswith("%") else "")
        pattern += f"{literal(printed[at : match.start()])}({number})"
        most = allowed(match[0], printed[: match.start()], printed[match.end() :])
        bounds.append((float(match[0].rstrip(" %")), most))
        at = match.end()
    found = re.fullmatch(pattern + literal(printed[at:]), got)
    if found is None:
        return False
    numbers = [float(number.rstrip(" %")) for number in found.groups()]
    return all(abs(number - middle) <= most for number, (middle, most) in zip(numbers, bounds, strict=True))


def literal(text: str) -> str:
    return re.escape(text).replace(re.escape(ANYTHING), ".+")


def is_told(printed: list[str], got: list[str]) -> bool:
    """Whether what a command printed is what stands below it, with any lines where `…` stands alone."""
    if not printed:
        return not got
    if printed[0] == ANYTHING:
        return any(is_told(printed[1:], got[start:]) for start in range(len(got) + 1))
    return bool(got) and is_alike(printed[0], got[0]) and is_told(printed[1:], got[1:])


def test_the_examples_print_what_stands_below_them(steps: list[Step]) -> None:
    wrong = ["\n".join((f"$ {s.command}", *s.got)) for s in steps if not is_told(s.printed, s.got)]
    assert not wrong, "\n".join(("these print something else:", *wrong))
    assert len(steps) >= 10


def test_the_python_runs_after_them(steps: list[Step], folder: Path, environment: dict[str, str]) -> None:
    (code,) = blocks("python")
    run = subprocess.run(
        [sys.executable, "-c", code], cwd=folder, env=environment, capture_output=True, encoding="utf-8", check=False
    )
    assert run.returncode == 0, run.stderr
    verdicts = [line.split()[:2] for line in run.stdout.splitlines()]
    assert verdicts == [["OK", "good"], ["NG", "None"]]
    assert (folder / "python" / "line.gallery").exists()


def test_examples_leave_each_others_folders_alone(steps: list[Step], folder: Path) -> None:
    assert {path.name for path in folder.iterdir()} <= {"first", "look", "device", "python", "state"}


ALIKE = {
    "the same": ("Bundle: a/b.edgefs (5.2 MB)", "Bundle: a/b.edgefs (5.2 MB)", True),
    "a size within a tenth": ("Bundle: a/b.edgefs (5.2 MB)", "Bundle: a/b.edgefs (5.6 MB)", True),
    "a count that is such a rate": ("0 % (0 of 20; 0 to 16.8 %)", "5.0 % (1 of 20; 0.1 to 24.9 %)", True),
    "other images": ("Enrolled 5 images", "Enrolled 4 images", False),
    "another size": ("Bundle: a/b.edgefs (5.2 MB)", "Bundle: a/b.edgefs (6.2 MB)", False),
    "a rate within ten points": ("NG  burr (100 %, p 0.19)", "NG  burr (97 %, p 0.14)", True),
    "another rate": ("NG  burr (100 %, p 0.19)", "NG  burr (87 %, p 0.19)", False),
    "another p": ("NG  burr (100 %, p 0.19)", "NG  burr (100 %, p 0.31)", False),
    "another word": ("NG  burr (100 %, p 0.19)", "NG  dent (100 %, p 0.19)", False),
    "another file": ("OK  good  line/good/018.png", "OK  good  line/good/019.png", False),
    "what is left out": ("Enrolled in state/line-….gallery", "Enrolled in state/line-0f5a-f2bc.gallery", True),
}


@pytest.mark.parametrize("case", ALIKE)
def test_what_may_differ(case: str) -> None:
    printed, got, expected = ALIKE[case]
    assert is_alike(printed, got) is expected


def test_it_stays_a_front_page() -> None:
    lines = TEXT.splitlines()
    assert len(lines) <= 150
    assert not [line for line in lines if len(line) > 160]
