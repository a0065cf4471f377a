"""`adapt --config FILE.toml`: options by their names, flags win, and bad files are one line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from textures import write_set

pytest.importorskip("torch")

from edgefs.cli import main


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return write_set(tmp_path / "textures", 8)


def run(tmp_path: Path, data: Path, config: str, *flags: str) -> Result:
    file = tmp_path / "line.toml"
    file.write_text(config, encoding="utf-8")
    return CliRunner().invoke(main, ["adapt", str(data), "-o", str(tmp_path / "run"), "--config", str(file), *flags])


def test_options_come_from_the_file_and_flags_win(tmp_path: Path, data: Path) -> None:
    config = 'backbone = "tiny"\nshots = 3\nbudget = 0.2\nok = ["dots"]\nsize = [40, 48]\ngood-only = false\n'
    said = run(tmp_path, data, config, "--shots", "4")
    assert said.exit_code == 0, said.output
    settings = json.loads((tmp_path / "run" / "run.json").read_text())["settings"]
    assert (settings["shots"], settings["budget"], settings["ok"]) == (4, 0.2, ["dots"])
    assert settings["size"] == [40, 48]


@pytest.mark.parametrize(
    ("config", "status", "says"),
    [
        ("shotz = 3\n", 1, "shotz is no option of `edgefs adapt`"),
        ('out = "here"\n', 1, "out is told on the command line only, as --out"),
        ('config = "other.toml"\n', 1, "config is told on the command line only, as --config"),
        ("help = true\n", 1, "help is told on the command line only, as --help"),
        ('group-from = "a(.)"\ngroup_from = "b(.)"\n', 1, "group_from is told twice"),
        ("shots = \n", 1, "not a TOML file"),
        ("shots = 0\n", 2, "--shots"),
        ('shots = "many"\n', 2, "--shots"),
        ("size = 3\n", 2, "expected a list"),
        ("good_only = 1\n", 2, "expected true or false"),
        ("unfreeze = 2\n", 2, "--unfreeze is of --method finetune"),
    ],
)
def test_a_bad_file_is_one_line_and_nothing_is_written(
    tmp_path: Path, data: Path, config: str, status: int, says: str
) -> None:
    said = run(tmp_path, data, config)
    assert said.exit_code == status
    assert says in said.output
    assert "Traceback" not in said.output
    assert not (tmp_path / "run").exists()


def test_a_missing_file_is_one_line(tmp_path: Path, data: Path) -> None:
    said = CliRunner().invoke(main, ["adapt", str(data), "-o", str(tmp_path / "run"), "--config", str(tmp_path / "no")])
    assert said.exit_code == 1
    assert "can't be read" in said.output


def test_a_flag_of_the_file_counts_as_one_that_was_typed(tmp_path: Path, data: Path) -> None:
    config = 'backbone = "tiny"\nshots = 3\njson = true\nmedical = true\noverwrite = true\n'
    for _ in range(2):
        said = run(tmp_path, data, "\ufeff" + config)  # Windows writes a byte order mark
        assert said.exit_code == 0, said.output
        assert json.loads(said.stdout.splitlines()[-1])["name"] == "textures"


def test_a_wrong_value_names_the_file_it_stands_in(tmp_path: Path, data: Path) -> None:
    for config, says in (
        ("seed = 1.5\n", "is not a valid integer"),
        ("shots = [3]\n", "expected one value, found [3]"),
    ):
        said = run(tmp_path, data, config)
        assert said.exit_code == 2
        assert says in said.output
        assert "line.toml" in said.output
