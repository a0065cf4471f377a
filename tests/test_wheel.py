"""What is handed out: a wheel and an sdist, built offline, with exactly the files that belong in them."""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess
import sys
import tarfile
import zipfile
from email.parser import Parser
from pathlib import Path
from types import ModuleType

import pytest

pytest.importorskip("hatchling", reason="it builds the wheel")

ROOT = Path(__file__).parents[1]
RELATIVE = re.compile(r"\]\((?!https?://|#)")
PACKAGES = {  # where a package's files lie here -> where they lie in the wheel
    "edgefs/": "edgefs/",
    "runtime/edgefs_runtime/": "edgefs_runtime/",
    "export/edgefs_export/": "edgefs_export/",
    "calibration/edgefs_calibration/": "edgefs_calibration/",
}
DIST_INFO = {"METADATA", "WHEEL", "RECORD", "entry_points.txt", "licenses/LICENSE"}
NEVER = (".ci/", "benchmarks/out/")  # of the repository in an sdist


@pytest.fixture(scope="module")
def hook() -> ModuleType:
    spec = importlib.util.spec_from_file_location("hatch_build", ROOT / "hatch_build.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def metadata(hook: ModuleType) -> dict[str, object]:
    fields: dict[str, object] = {}
    hook.CustomMetadataHook(str(ROOT), {}).update(fields)
    return fields


def test_with_an_address_links_are_absolute(hook: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EDGEFS_URL", "https://source.invalid/edgefs/")
    fields = metadata(hook)
    text = str(fields["readme"])
    assert RELATIVE.search(text) is None
    assert "[docs/tried.md](https://source.invalid/edgefs/docs/tried.md)" in text
    assert dict(fields["urls"])["Changelog"] == "https://source.invalid/edgefs/CHANGELOG.md"  # type: ignore[call-overload]


def test_without_one_no_link_leads_nowhere(hook: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("EDGEFS_URL", raising=False)
    fields = metadata(hook)
    assert "urls" not in fields
    assert RELATIVE.search(str(fields["readme"])) is None
    assert "docs/tried.md" in str(fields["readme"])


def build(root: Path, out: Path, target: str) -> Path:
    """Build by what is installed here: no network, nothing written into `root`."""
    command = [sys.executable, "-m", "hatchling", "build", "-t", target, "-d", str(out)]
    environment = {key: value for key, value in os.environ.items() if key != "EDGEFS_URL"}
    built = subprocess.run(command, cwd=root, env=environment, capture_output=True, text=True, check=False, timeout=120)
    assert built.returncode == 0, built.stderr
    (made,) = (path for path in out.iterdir() if path.suffix == {"wheel": ".whl", "sdist": ".gz"}[target])
    return made


@pytest.fixture(scope="module")
def tracked() -> set[str]:
    """Every file of the repository that git knows or would take in."""
    if not (ROOT / ".git").exists() or shutil.which("git") is None:
        pytest.skip("not a git checkout: which files belong in it can't be told")
    listing = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    named = subprocess.run(listing, cwd=ROOT, capture_output=True, text=True, check=True).stdout.split("\0")
    return {name for name in named if name and (ROOT / name).is_file()}


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build(ROOT, tmp_path_factory.mktemp("wheel"), "wheel")


@pytest.fixture(scope="module")
def sdist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build(ROOT, tmp_path_factory.mktemp("sdist"), "sdist")


def test_the_wheel_holds_the_packages_and_nothing_else(wheel: Path, tracked: set[str]) -> None:
    wanted = {
        inside + name.removeprefix(lies)
        for name in tracked
        for lies, inside in PACKAGES.items()
        if name.startswith(lies)
    }
    with zipfile.ZipFile(wheel) as archive:
        found = set(archive.namelist())
    (info,) = {name.split("/")[0] for name in found if ".dist-info/" in name}
    assert found == wanted | {f"{info}/{name}" for name in DIST_INFO}
    assert not any(name.endswith(".pyc") for name in found)


def test_the_wheel_holds_what_is_no_python(wheel: Path) -> None:
    """Files that a list of modules would forget, and without which an installed edgefs fails."""
    with zipfile.ZipFile(wheel) as archive:
        found = {info.filename: info.file_size for info in archive.infolist()}
    typed = {name for name in found if name.endswith("/py.typed")}
    assert typed == {f"{inside}py.typed" for inside in PACKAGES.values()}
    assert sum(name.endswith(".html.j2") for name in found) >= 3
    assert sum(name.endswith(".css") for name in found) >= 2
    (weights,) = (size for name, size in found.items() if name.endswith("/nano.safetensors"))
    assert weights > 1_000_000  # bytes: the weights, not a pointer to them
    assert sum(found.values()) < 20_000_000


def test_the_sdist_holds_the_repository(sdist: Path, tracked: set[str]) -> None:
    with tarfile.open(sdist) as archive:
        found = {name.split("/", 1)[1] for name in archive.getnames()}
    assert found == {name for name in tracked if not name.startswith(NEVER)} | {"PKG-INFO"}
    assert not any(name.startswith(("shared", "../")) or name.endswith(".pyc") for name in found)


def test_an_sdist_builds_the_same_wheel(sdist: Path, wheel: Path, tmp_path: Path) -> None:
    shutil.unpack_archive(sdist, tmp_path)
    (unpacked,) = (path for path in tmp_path.iterdir() if path.is_dir())
    again = build(unpacked, tmp_path, "wheel")
    assert again.name == wheel.name
    assert again.read_bytes() == wheel.read_bytes()


def test_an_index_would_take_them(wheel: Path, sdist: Path) -> None:
    check = pytest.importorskip("twine.commands.check", reason="it knows what an index refuses")
    assert check.check([str(wheel), str(sdist)], strict=True) is False  # nothing failed


def test_the_wheel_says_what_it_needs(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        read = {
            name.split("/", 1)[1]: archive.read(name).decode() for name in archive.namelist() if "dist-info" in name
        }
    told = Parser().parsestr(read["METADATA"])
    assert (told["Name"], told["Requires-Python"], told["License-Expression"]) == ("edgefs", ">=3.10", "Apache-2.0")
    needed = [line for line in told.get_all("Requires-Dist", []) if "extra ==" not in line]
    assert {re.split(r"[<>=]", line)[0] for line in needed} == {
        *("click", "numpy", "onnxruntime", "pillow", "simplejpeg")
    }  # the device: no training framework
    assert {"workstation", "tensorrt", "heif"} <= set(told.get_all("Provides-Extra", []))
    assert read["entry_points.txt"].split() == ["[console_scripts]", "edgefs", "=", "edgefs.cli:main"]
    assert str(ROOT) not in read["METADATA"]


def test_an_unpacked_wheel_runs_without_the_checkout(wheel: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path / "site")
    bundle = shutil.copy(ROOT / "tests" / "golden" / "tiny.edgefs", tmp_path / "tiny.edgefs")
    code = (
        f"import sys; sys.path.insert(0, {str(tmp_path / 'site')!r}); import edgefs_runtime; "
        "print(edgefs_runtime.__file__); from edgefs.cli import main; main(['verify', 'tiny.edgefs'])"
    )
    ran = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.startswith(str(tmp_path / "site")), bundle
    assert "golden inputs agree" in ran.stdout
