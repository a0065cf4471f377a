"""Options come from the settings: their text, their default, their values, from the command line and from a file."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner

from edgefs.cli import main
from edgefs.cli.adapt import command as adapt
from edgefs.cli.adapt_options import settings_from
from edgefs.cli.distill import command as distill
from edgefs.cli.export import command as export
from edgefs.methods import METHODS, settings_by_method
from edgefs.methods.domain import DomainSettings
from edgefs.methods.finetune import FinetuneSettings
from edgefs.settings.adapt import AdaptSettings
from edgefs.settings.deploy import DeploySettings
from edgefs.settings.distill import DistillSettings
from edgefs.settings.setting import settings_of

pytestmark = pytest.mark.device
HELP = """
import sys
from edgefs.cli import main
try:
    main(sys.argv[1:], prog_name="edgefs")
except SystemExit:
    print({one.partition(".")[0] for one in sys.modules} & {"torch", "numpy", "sklearn", "edgefs_runtime"})
"""


def parsed(*words: str) -> AdaptSettings:
    ctx = adapt.make_context("adapt", ["data", "-o", "run", *words])
    named = ("data", "out", "overwrite", "medical", "as_json")
    return settings_from(ctx, {name: value for name, value in ctx.params.items() if name not in named})


def told(settings: AdaptSettings) -> dict[str, Any]:
    return settings.to_json(settings_by_method())


def test_without_options_a_command_has_the_defaults_of_its_settings() -> None:
    assert told(parsed()) == told(AdaptSettings())
    for command, kind, words in (
        (distill, DistillSettings, ["-o", "run"]),
        (export, DeploySettings, ["run", "-o", "b"]),
    ):
        given = command.make_context(None, words).params
        fields = {name for name, _, _ in settings_of(kind)}
        assert kind(**{name: value for name, value in given.items() if name in fields}) == kind()


@pytest.mark.parametrize(
    ("words", "names"),
    [
        ("--symmetry flips", {"symmetries": ("h", "v", "hv")}),
        ("--symmetry none", {"symmetries": ()}),
        ("--rotation 270 --no-cache", {"rotation": 270, "use_cache": False}),
        ("--roi 1 2 30 40 --window 0 4095", {"roi": (1, 2, 30, 40), "window": (0, 4095)}),
        ("--ok fine --ok good --lr 0.01", {"ok": ("fine", "good"), "lr": 0.01}),
    ],
)
def test_what_is_written_becomes_the_field(words: str, names: dict[str, Any]) -> None:
    assert told(parsed(*words.split())) == told(AdaptSettings(**names))


def test_what_a_method_alone_has_goes_to_its_settings() -> None:
    settings = parsed("--method", "finetune", "--unfreeze", "2", "--search")
    assert settings.of(FinetuneSettings) == FinetuneSettings(unfreeze=2, search=True)
    settings = parsed("--method", "domain", "--no-self-training", "--invert", "--align", "mean")
    assert settings.of(DomainSettings) == DomainSettings(self_training=False, invert=True, align="mean")


def test_a_file_says_what_the_command_line_would(tmp_path: Path) -> None:
    pytest.importorskip("tomllib" if sys.version_info >= (3, 11) else "tomli", reason="it reads --config")
    lines = ['method = "finetune"', 'symmetry = "flips"', "rotation = 90", "no-cache = true", "unfreeze = 2"]
    (tmp_path / "line.toml").write_text("\n".join([*lines, 'ok = ["a", "b"]', "lr = 0.5"]))
    words = "--method finetune --symmetry flips --rotation 90 --no-cache --unfreeze 2 --ok a --ok b --lr 0.1"
    assert parsed("--config", str(tmp_path / "line.toml"), "--lr", "0.1") == parsed(*words.split())


@pytest.mark.parametrize("value", ["nan", "inf", "1", "-0.1"])
def test_a_number_has_its_limits(value: str) -> None:
    with pytest.raises(click.BadParameter, match=r"is not (in the range 0<=x<1|a finite number)"):
        parsed("--budget", value)


@pytest.mark.parametrize(
    ("command", "kinds"),
    [
        ("adapt", [AdaptSettings, *settings_by_method().values()]),
        ("distill", [DistillSettings]),
        ("export", [DeploySettings]),
    ],
)
def test_the_help_says_of_each_setting_what_the_setting_says(command: str, kinds: list[type]) -> None:
    text = " ".join(CliRunner().invoke(main, [command, "--help"], terminal_width=400).stdout.split())
    said = [one for kind in kinds for _, _, one in settings_of(kind)]
    assert len(said) > 5
    assert [one.help for one in said if one.help.rstrip(".") not in text] == []
    assert [one.shown for one in said if f"[default: {one.shown}" not in text and one.shown] == []


def test_each_method_has_its_part_of_the_help() -> None:
    text = " ".join(CliRunner().invoke(main, ["adapt", "--help"], terminal_width=400).stdout.split())
    for name, method in METHODS.items():
        assert f"--method {name}: {method.summary} --head: {method.head} (the default)" in text


def test_help_loads_what_it_says_and_no_more() -> None:
    loaded = [
        subprocess.run([sys.executable, "-c", HELP, *words], capture_output=True, text=True, check=True).stdout
        for words in (["--help"], ["adapt", "--help"])
    ]
    assert loaded[0].endswith("set()\n")
    assert "torch" not in loaded[1].splitlines()[-1]
    assert "sklearn" not in loaded[1].splitlines()[-1]
