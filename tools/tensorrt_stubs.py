"""Type-check what calls TensorRT and CUDA where neither can run: `make typecheck-tensorrt`.

    python tools/tensorrt_stubs.py            # makes what is missing below build/tensorrt-stubs, then runs mypy

Stubs are made from the real wheels, for the oldest and the newest version that is supported. TensorRT's bindings are a
package of their own, which imports where nine symbols of TensorRT's libraries are to be found, in whatever is called
libnvinfer.so; a few lines of C are enough for that. Nothing in them computes.

The wheels are NVIDIA's, under a licence that does not allow passing them on, and the stubs hold their documentation: so
they are made where they are needed, stay below build/, and are never committed.
"""

from __future__ import annotations

import ast
import os
import re
import shutil
import subprocess
import sys
import tempfile
import zipfile
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
STUBS = ROOT / "build" / "tensorrt-stubs"
CHECKED = "edgefs_runtime.embedders.tensorrt"


@dataclass(frozen=True)
class Version:
    """A pair of wheels that goes together; `major` is in the names of TensorRT's libraries."""

    major: int
    tensorrt: str
    cuda: str


# JetPack 6 has TensorRT 10.3, which has no wheel for Python 3.13; 10.9 is the first that has.
OLDEST = "10.3.0" if sys.version_info < (3, 13) else "10.9.0.34"
VERSIONS = (
    Version(10, f"tensorrt_cu12_bindings=={OLDEST}", "cuda-bindings==12.9.10"),
    Version(11, "tensorrt_cu13_bindings==11.4.0.106", "cuda-bindings==13.0.3"),
)
PATHFINDER = "cuda-pathfinder>=1.1,<2"  # which cuda-bindings imports
SYMBOLS = (
    "createInferBuilder_INTERNAL",
    "createInferRefitter_INTERNAL",
    "createInferRuntime_INTERNAL",
    "createNvOnnxParserRefitter_INTERNAL",
    "createNvOnnxParser_INTERNAL",
    "getBuilderPluginRegistry",
    "getNvOnnxParserVersion",
    "getPluginRegistry",
    "initLibNvInferPlugins",
)
LIBRARIES = ("nvinfer", "nvinfer_plugin", "nvonnxparser")
# What pybind11 does not tell a stub generator: the buffer protocol.
BUFFER = "    def __buffer__(self, flags: int, /) -> memoryview: ...\n"


def main() -> int:
    """Check against each version and return the number of versions that fail."""
    failed = 0
    for version in VERSIONS:
        stubs = STUBS / f"{version.tensorrt}-{version.cuda}-{sys.implementation.cache_tag}".replace("==", "-")
        if not stubs.is_dir():
            make(version, stubs)
        failed += not check(version, stubs)
    return failed


def make(version: Version, place: Path) -> None:
    """Make the stubs of one version, whole or not at all."""
    place.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=place.parent) as folder:
        work = Path(folder)
        packages, made = unpacked(version, work), work / "stubs"
        libraries(version, work)
        environment = {**os.environ, "PYTHONPATH": str(packages), "LD_LIBRARY_PATH": str(work)}
        run(
            [
                Path(sys.executable).with_name("pybind11-stubgen"),
                "--ignore-all-errors",
                "-o",
                made,
                "tensorrt_bindings.tensorrt",
            ],
            environment,
        )
        (made / "cuda" / "bindings").mkdir(parents=True)
        for package in (made / "cuda", made / "cuda" / "bindings"):
            (package / "__init__.pyi").touch()
        cuda = run([sys.executable, Path(__file__).with_name("cuda_stub.py")], environment)
        (made / "cuda" / "bindings" / "runtime.pyi").write_text(cuda, encoding="utf-8")
        (made / "tensorrt").mkdir()
        text = (made / "tensorrt_bindings" / "tensorrt.pyi").read_text(encoding="utf-8")
        (made / "tensorrt" / "__init__.pyi").write_text(mended(text) + "\n__version__: str\n", encoding="utf-8")
        shutil.rmtree(made / "tensorrt_bindings")
        made.replace(place)


def unpacked(version: Version, work: Path) -> Path:
    """The wheels, unpacked; not installed, since the libraries that the bindings require can't be everywhere."""
    wheels = (version.tensorrt, version.cuda, PATHFINDER)
    run([sys.executable, "-m", "pip", "download", "-q", "--no-deps", "-d", work, *wheels])
    for wheel in work.glob("*.whl"):
        with zipfile.ZipFile(wheel) as archive:
            archive.extractall(work / "packages")
    return work / "packages"


def libraries(version: Version, work: Path) -> None:
    """Libraries of the names that the bindings ask for, with their symbols."""
    source = work / "symbols.c"
    source.write_text("".join(f"void *{symbol}(void) {{ return 0; }}\n" for symbol in SYMBOLS), encoding="ascii")
    for name in LIBRARIES:
        run(["cc", "-shared", "-fPIC", source, "-o", work / f"lib{name}.so.{version.major}"])


def mended(text: str) -> str:
    """The stub as Python that a type checker can use.

    Signatures that no Python function could have take anything. The module has a data type called `bool`, for which
    every `bool` in a signature would be taken.
    """
    lines = []
    for line in text.splitlines():
        found = re.match(r"( *)def (\w+)\(", line)
        if found and not is_python(f"{line.strip()} ..."):
            line = f"{found[1]}def {found[2]}(self, *args: typing.Any, **kwargs: typing.Any) -> typing.Any:"
        is_code = found or re.match(r" +\w+: ", line)
        lines.append(re.sub(r"\bbool\b", "builtins.bool", line) if is_code else line)
    stub = "\n".join(lines).replace("import typing\n", "import builtins\nimport typing\n", 1)
    return stub.replace("class IHostMemory:\n", f"class IHostMemory:\n{BUFFER}")


def is_python(line: str) -> bool:
    """Whether a line can be parsed."""
    try:
        ast.parse(line)
    except SyntaxError:
        return False
    return True


def check(version: Version, stubs: Path) -> bool:
    """Run mypy with one version's stubs."""
    print(f"{version.tensorrt}, {version.cuda}:", flush=True)
    command = [sys.executable, "-m", "mypy", "--config-file", ROOT / "tools" / "tensorrt-mypy.ini", "-p", CHECKED]
    command += ["--cache-dir", stubs / ".mypy_cache"]  # apart: elsewhere the same modules are other ones
    environment = {**os.environ, "MYPYPATH": f"{stubs}{os.pathsep}{ROOT / 'runtime'}"}
    return subprocess.run([*map(str, command)], env=environment, cwd=ROOT, check=False).returncode == 0


def run(command: list[str | Path], environment: dict[str, str] | None = None) -> str:
    """What a command prints; all of it is shown when it fails."""
    if not shutil.which(command[0]):
        raise SystemExit(f"{command[0]} is needed and not there; `make` installs all but the C compiler")
    done = subprocess.run([*map(str, command)], env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{' '.join(map(str, command))}\n{done.stdout}{done.stderr}")
    return done.stdout


if __name__ == "__main__":
    raise SystemExit(main())
