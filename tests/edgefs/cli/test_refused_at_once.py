"""What can be refused in a moment is: before torch is loaded, in one line, with nothing written."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from textures import write_set

pytest.importorskip("torch", reason="the workstation part is not installed")

# Runs many commands in one process, and says after each what has been loaded by then.
MANY = """
import json, sys
from edgefs.cli import main
for arguments in json.loads(sys.argv[1]):
    try:
        main(arguments, prog_name="edgefs")
    except SystemExit as end:
        heavy = sorted({"torch", "onnx", "sklearn", "rich", "onnxruntime"} & set(sys.modules))
        print(f"== {end.code} {heavy}", file=sys.stderr, flush=True)
"""


def config(tmp: Path) -> Path:
    (tmp / "line.toml").write_text("shotz = 3")
    return tmp / "line.toml"


def run_in(folder: Path, fields: str = "{}") -> Path:
    folder.mkdir(exist_ok=True)
    (folder / "run.json").write_text(fields)
    return folder


Case = tuple[Callable[[Path], list[object]], int, str]
CASES: dict[str, Case] = {
    "a wrong option": (lambda tmp: ["adapt", tmp / "d", "-o", tmp / "run", "--shotz", 5], 2, "--shots"),
    "a wrong value": (lambda tmp: ["adapt", tmp / "d", "-o", tmp / "run", "--shots", 0], 2, "--shots"),
    "a number that is none": (
        lambda tmp: ["adapt", tmp / "d", "-o", tmp / "run", "--budget", "nan"],
        2,
        "'nan' is not a finite number",
    ),
    "no end of waiting": (
        lambda tmp: ["enroll", tmp / "d", "x", tmp / "d", "--wait", "inf"],
        2,
        "'inf' is not a finite number",
    ),
    "no -o": (lambda tmp: ["adapt", tmp / "d"], 2, "--out"),
    "an option of another method": (
        lambda tmp: ["adapt", tmp / "d", "-o", tmp / "run", "--unfreeze", 1],
        2,
        "finetune",
    ),
    "no DATA": (lambda tmp: ["adapt", tmp / "gone", "-o", tmp / "run"], 1, "found nothing there"),
    "DATA is no table": (lambda tmp: ["adapt", config(tmp), "-o", tmp / "run"], 1, "a file that is no CSV"),
    "a RUN stands there": (lambda tmp: ["adapt", tmp / "d", "-o", run_in(tmp / "old")], 1, "or pass --overwrite"),
    "something else stands there": (lambda tmp: ["adapt", tmp / "d", "-o", tmp / "d"], 1, "not empty, and no RUN"),
    "a typo in the config": (
        lambda tmp: ["adapt", tmp / "d", "-o", tmp / "run", "--config", config(tmp)],
        1,
        "shotz is no option of `edgefs adapt`; did you mean shots?",
    ),
    "no config": (lambda tmp: ["adapt", tmp / "d", "-o", tmp / "run", "--config", tmp / "gone"], 1, "can't be read"),
    "a bad name": (lambda tmp: ["adapt", tmp / "d", "-o", tmp / "run", "--name", "a/b"], 1, "'a/b' is not usable"),
    "a bad expression": (
        lambda tmp: ["adapt", tmp / "d", "-o", tmp / "run", "--group-from", "("],
        1,
        "regular expression",
    ),
    "a head of another method": (
        lambda tmp: ["adapt", tmp / "d", "-o", tmp / "run", "--head", "cosine"],
        1,
        "--head cosine is not for --method features",
    ),
    "no weights": (lambda tmp: ["adapt", tmp / "d", "-o", tmp / "run", "--weights", tmp / "w.pth"], 1, "no such file"),
    "no student": (lambda tmp: ["adapt", tmp / "d", "-o", tmp / "run", "--backbone", tmp / "s"], 1, "no such folder"),
    "no source": (
        lambda tmp: ["adapt", tmp / "d", "-o", tmp / "run", "--method", "domain", "--source", tmp / "gone"],
        1,
        "--source",
    ),
    "a window upside down": (
        lambda tmp: ["adapt", tmp / "d", "-o", tmp / "run", "--window", 4095, 0],
        1,
        "--window 4095 0: BLACK must be less than WHITE",
    ),
    "a region of nothing": (
        lambda tmp: ["distill", tmp / "d", "-o", tmp / "run", "--roi", 10, 10, 0, 50],
        1,
        "--roi 10 10 0 50: a region has a WIDTH and a HEIGHT of at least 1 pixel",
    ),
    "turns of what is not square": (
        lambda tmp: ["adapt", tmp / "d", "-o", tmp / "run", "--size", 32, 64, "--symmetry", "all"],
        1,
        "--size 32 64",
    ),
    "no such place": (
        lambda tmp: ["adapt", tmp / "d", "-o", config(tmp) / "a" / "run"],
        1,
        "line.toml: Not a directory); choose another place with -o",
    ),
    "a folder that is no backbone": (
        lambda tmp: ["adapt", tmp / "d", "-o", tmp / "run", "--backbone", tmp / "d"],
        1,
        "a folder without run.json; expected a RUN, as `edgefs distill` makes it",
    ),
    "an input too large for any network": (
        lambda tmp: ["adapt", tmp / "d", "-o", tmp / "run", "--size", 100000, 100000],
        2,
        "--size",
    ),
    "an empty variable": (lambda tmp: ["adapt", "", "-o", tmp / "run"], 2, "found an empty text"),
    "nothing to evaluate": (lambda tmp: ["evaluate", tmp / "gone", tmp / "d"], 1, "no such file or folder"),
    "evaluate no RUN": (lambda tmp: ["evaluate", tmp / "d", tmp / "d"], 1, "not a RUN"),
    "nothing to evaluate on": (lambda tmp: ["evaluate", config(tmp), tmp / "gone"], 1, "found nothing there"),
    "no place for the report": (
        lambda tmp: ["evaluate", config(tmp), tmp / "d", "--report", tmp / "no" / "r.html"],
        1,
        "there is no folder",
    ),
    "a report of episodes": (
        lambda tmp: ["evaluate", tmp / "d", tmp / "d", "--episodes", 2, "--report", tmp / "r.html"],
        2,
        "--report plays no part in --episodes",
    ),
    "shots without episodes": (
        lambda tmp: ["evaluate", tmp / "d", tmp / "d", "--shots", 1],
        2,
        "--shots says how --episodes measure; give --episodes N",
    ),
    "nothing to export": (lambda tmp: ["export", tmp / "gone", "-o", tmp / "b.edgefs"], 1, "no such folder"),
    "export a file": (lambda tmp: ["export", config(tmp), "-o", tmp / "b.edgefs"], 1, "expected a RUN"),
    "export what is left of a RUN": (
        lambda tmp: ["export", run_in(tmp / "rest", '{"format_version": "1.0"}'), "-o", tmp / "b.edgefs"],
        1,
        "run.json has no backbone, data,",
    ),
    "a target of float32": (
        lambda tmp: ["export", tmp / "d", "-o", tmp / "b.edgefs", "--target", "arm"],
        2,
        "--target plays no part in float32; give --precision int8, fp16 or auto",
    ),
    "export to a folder": (lambda tmp: ["export", tmp / "d", "-o", tmp / "d"], 1, "a folder stands there"),
    "export under a bad name": (
        lambda tmp: ["export", tmp / "d", "-o", tmp / "b.edgefs", "--name", "a/b"],
        1,
        "is not usable",
    ),
    "no archive": (lambda tmp: ["distill", tmp / "gone", "-o", tmp / "run"], 1, "expected a folder of images"),
    "no archive at all": (lambda tmp: ["distill", "-o", tmp / "run"], 2, "either ARCHIVE"),
    "a distilled RUN stands there": (
        lambda tmp: ["distill", tmp / "d", "-o", run_in(tmp / "old")],
        1,
        "or pass --overwrite",
    ),
    "a demo of nothing": (lambda tmp: ["demo", "--data", tmp / "gone", "-o", tmp / "run"], 1, "found nothing there"),
}


@pytest.fixture(scope="module")
def said(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[str, str]]:
    """What each case printed, and its status with what was loaded by then."""
    tmp = tmp_path_factory.mktemp("refused")
    write_set(tmp / "d", 1)
    commands = [[str(word) for word in arguments(tmp)] for arguments, _, _ in CASES.values()]
    run = subprocess.run(
        [sys.executable, "-c", MANY, json.dumps(commands)], capture_output=True, text=True, check=True, cwd=tmp
    )
    assert run.stdout == ""
    assert sorted(path.name for path in tmp.iterdir()) == ["d", "line.toml", "old", "rest"]
    printed, answers = "", {}
    for line in run.stderr.splitlines():
        if line.startswith("== "):
            answers[list(CASES)[len(answers)]] = (printed, line[3:])
            printed = ""
        else:
            printed += line + "\n"
    return answers


@pytest.mark.parametrize("case", CASES)
def test_it_is_refused_before_anything_heavy_is_loaded(said: dict[str, tuple[str, str]], case: str) -> None:
    _, status, message = CASES[case]
    printed, ending = said[case]
    assert ending == f"{status} []"
    errors = [line for line in printed.splitlines() if line.startswith("Error: ")]
    assert len(errors) == 1
    assert message in errors[0]
    assert status == 2 or printed.count("\n") == 1
