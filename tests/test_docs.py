"""The documentation is true where a machine can tell: links, names of files and modules, commands and their options."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path

import click
import pytest

from edgefs.cli import main
from edgefs.cli.group import COMMANDS
from edgefs_runtime import Classifier

ROOT = Path(__file__).parents[1]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "edgefs").rglob("*.md")])
NAMES = [path.relative_to(ROOT).as_posix() for path in PAGES]
# The changelog, and the records of decisions, name what was there at their time.
CURRENT = [name for name in NAMES if name != "CHANGELOG.md" and not name.startswith("docs/adr/0")]

PACKAGES = ("runtime/edgefs_runtime", "export/edgefs_export", "calibration/edgefs_calibration", "edgefs")
BESIDE = (".", "benchmarks", *PACKAGES)  # where a page's short paths begin
FENCED = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\[[^\]]+\]\((?!https?://)([^)\s]*)\)")
FILE = re.compile(r"(?<![\w./*-])[\w/-]+\.py\b(?!\.)")
ROOM = re.compile(r"`([a-z_]+(?:/[a-z_]+)*/)`")
MODULE = re.compile(r"(?<![\w./-])edgefs(?:_runtime|_export|_calibration)?(?:\.[A-Za-z_]\w*)+")


def text_of(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def anchors(text: str) -> set[str]:
    """What GitHub makes of the headings."""
    headings = re.findall(r"^#+ (.+)$", FENCED.sub("", text), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("name", NAMES)
def test_every_link_leads_somewhere(name: str) -> None:
    page = ROOT / name
    for target in LINK.findall(FENCED.sub("", text_of(name))):
        path, _, anchor = target.partition("#")
        file = (page.parent / path).resolve() if path else page
        assert file.exists(), target
        assert not anchor or anchor in anchors(file.read_text(encoding="utf-8")), target


@pytest.mark.parametrize("name", CURRENT)
def test_every_file_that_is_named_exists(name: str) -> None:
    for path in FILE.findall(text_of(name)):
        assert any((ROOT / base / path).is_file() for base in BESIDE), path


@pytest.mark.parametrize("name", ["docs/architecture.md", "CONTRIBUTING.md"])
def test_every_room_that_is_named_exists(name: str) -> None:
    rooms = ROOM.findall(text_of(name))
    assert rooms
    for room in rooms:
        assert any((ROOT / base / room).is_dir() for base in BESIDE), room


@pytest.mark.parametrize("name", CURRENT)
def test_every_module_that_is_named_exists(name: str) -> None:
    for module in MODULE.findall(text_of(name)):
        parent, _, last = module.rpartition(".")
        assert is_module(module) or (is_module(parent) and last in source_of(parent)), module


def file_of(module: str) -> Path | None:
    top, *below = module.split(".")
    base = next(ROOT / package for package in PACKAGES if package.endswith(top))
    path = base.joinpath(*below)
    return next((file for file in (path / "__init__.py", path.with_suffix(".py")) if file.is_file()), None)


def is_module(module: str) -> bool:
    return file_of(module) is not None


def source_of(module: str) -> str:
    file = file_of(module)
    return file.read_text(encoding="utf-8") if file else ""


def test_every_record_of_a_decision_stands_in_the_index() -> None:
    index = text_of("docs/adr/README.md")
    assert [path.name for path in sorted((ROOT / "docs/adr").glob("0*.md")) if f"({path.name})" not in index] == []


def test_every_page_stands_in_the_index() -> None:
    index = text_of("docs/README.md")
    assert [path.name for path in (ROOT / "docs").glob("*.md") if f"({path.name}" not in index] == ["README.md"]


def test_every_method_in_the_python_page_is_one_of_the_classifier() -> None:
    page = text_of("docs/python.md")
    tables = re.findall(r"^\| method \| does \|\n\|---\|---\|\n((?:\|.*\n)+)", page, re.MULTILINE)
    cells = [row.split("|")[1] for table in tables for row in table.splitlines()]
    methods = [name for cell in cells for name in re.findall(r"`(\w+)", cell)]
    assert len(methods) > 10
    assert [name for name in methods if not hasattr(Classifier, name)] == []


def test_the_command_reference_is_what_the_commands_say() -> None:
    spec = importlib.util.spec_from_file_location("command_reference", ROOT / "tools" / "command_reference.py")
    assert spec is not None
    assert spec.loader is not None
    tool = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(tool)
    assert text_of("docs/commands.md") == tool.page(), "run: python tools/command_reference.py"


@pytest.mark.parametrize("name", [name for name in CURRENT if name != "docs/commands.md"])
def test_examples_name_no_command_or_option_that_does_not_exist(name: str) -> None:
    for line in re.findall(r"^(?:\$ )?(?:.* && )?edgefs (.+)$", "\n".join(FENCED.findall(text_of(name))), re.MULTILINE):
        words = line.partition("#")[0].partition("&&")[0].split()
        command = command_of(words)
        options = {option for parameter in command.params for option in (*parameter.opts, *parameter.secondary_opts)}
        assert {word for word in words if word.startswith("-")} <= {*options, "--help"}, line


def command_of(words: list[str]) -> click.Command:
    assert words[0] in COMMANDS, words
    command = main.get_command(click.Context(main), words[0])
    if isinstance(command, click.Group):
        command = command.commands.get(words[1])
    assert command is not None, words
    return command
