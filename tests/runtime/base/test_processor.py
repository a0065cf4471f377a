"""What a processor is told to be by its own text, and when a bundle made for another one warns."""

from __future__ import annotations

import json
import platform
from collections.abc import Callable
from pathlib import Path

import pytest
from bundles import remade
from shell import edgefs

from edgefs_runtime import Bundle, Classifier
from edgefs_runtime.base.processor import Family, Processor, mismatch, this_processor

pytestmark = pytest.mark.device

TEXTS = Path(__file__).parent / "cpuinfo"
MACHINES: dict[str, tuple[str, str, Family, bool | None]] = {
    "core-i7-8700": ("x86_64", "Intel(R) Core(TM) i7-8700K CPU @ 3.70GHz", "x86", False),
    "core-i5-12400": ("x86_64", "12th Gen Intel(R) Core(TM) i5-12400", "x86", True),
    "epyc-genoa": ("x86_64", "AMD EPYC", "x86", True),
    "raspberry-pi-4": ("aarch64", "Raspberry Pi 4 Model B Rev 1.1", "arm", None),
    "raspberry-pi-4-32-bit": ("armv7l", "Raspberry Pi 4 Model B Rev 1.1", "arm", None),
    "neoverse-n1": ("aarch64", "Arm, implementer 0x41, part 0xd0c", "arm", None),
}


def processor(name: str) -> Processor:
    return Processor.parse(MACHINES[name][0], (TEXTS / f"{name}.txt").read_text())


@pytest.mark.parametrize("name", MACHINES)
def test_a_processor_is_told_by_its_own_text(name: str) -> None:
    _, *expected = MACHINES[name]
    assert processor(name) == Processor(*expected)


@pytest.mark.parametrize(
    ("machine", "family"), [("AMD64", "x86"), ("ARM64", "arm"), ("arm64", "arm"), ("riscv64", "other"), ("", "other")]
)
def test_without_a_text_only_the_family_is_claimed(machine: str, family: str) -> None:
    told = Processor.parse(machine)
    assert (told.family, told.has_vnni) == (family, None)
    assert told.name == (machine or "unknown processor")


def test_an_emulated_arm_shows_the_flags_of_its_host_and_they_say_nothing() -> None:
    """qemu-user passes the host's text through."""
    host = (TEXTS / "core-i5-12400.txt").read_text()
    assert Processor.parse("aarch64", host).has_vnni is None


def test_this_processor_is_of_this_machine() -> None:
    assert this_processor().family == Processor.parse(platform.machine()).family
    assert this_processor().name


OLD, NEW, ARM, OTHER = "core-i7-8700", "core-i5-12400", "raspberry-pi-4", None
INT8 = {"precision": "int8"}
SPOKEN: list[tuple[dict[str, str], str | None, str, str]] = [  # entry, processor, what is wrong, what to export
    ({**INT8, "isa": "vnni"}, OLD, "x86 with VNNI", "`edgefs export --precision int8 --target cpu --isa avx2`"),
    ({**INT8, "target": "cpu", "isa": "vnni"}, ARM, "slower on Arm", "`edgefs export --precision int8 --target arm`"),
    ({**INT8, "target": "cpu"}, ARM, "slower on Arm", "`edgefs export --precision int8 --target arm`"),
    ({**INT8, "isa": "avx2"}, NEW, "x86 without VNNI", "`edgefs export --precision int8 --target cpu --isa vnni`"),
    ({**INT8, "target": "arm"}, NEW, "made for Arm", "`edgefs export --precision int8 --target cpu --isa vnni`"),
    ({**INT8, "target": "arm"}, OLD, "made for Arm", "`edgefs export --precision int8 --target cpu --isa avx2`"),
    (
        {**INT8, "target": "tensorrt"},
        NEW,
        "made for TensorRT",
        "`edgefs export --precision int8 --target cpu --isa vnni`",
    ),
    (
        {"precision": "fp16", "target": "tensorrt"},
        ARM,
        "made for TensorRT",
        "`edgefs export --precision int8 --target arm`",
    ),
]
SILENT: list[tuple[dict[str, str], str | None]] = [
    ({"precision": "fp32"}, OLD),
    ({"precision": "fp32", "target": "cpu"}, ARM),
    ({"precision": "fp32", "target": "arm"}, NEW),
    ({"precision": "fp32", "target": "tensorrt"}, NEW),
    ({"precision": "fp16", "target": "cpu"}, ARM),
    ({}, OLD),
    (INT8, OLD),
    (INT8, ARM),
    ({**INT8, "target": "cpu"}, OLD),
    ({**INT8, "isa": "vnni"}, NEW),
    ({**INT8, "isa": "avx2"}, OLD),
    ({**INT8, "target": "arm"}, ARM),
    ({**INT8, "isa": "vnni", "target": "cpu"}, OTHER),
    ({**INT8, "isa": "amx", "target": "npu"}, OLD),
]


@pytest.mark.parametrize(("entry", "where", "wrong", "export"), SPOKEN)
def test_a_bundle_for_another_processor_says_what_to_export(
    entry: dict[str, str], where: str, wrong: str, export: str
) -> None:
    sentence = mismatch(entry, processor(where))
    assert wrong in sentence
    assert export in sentence
    assert MACHINES[where][1] in sentence
    assert "\n" not in sentence


@pytest.mark.parametrize(("entry", "where"), SILENT)
def test_a_bundle_that_fits_or_claims_nothing_is_silent(entry: dict[str, str], where: str | None) -> None:
    assert mismatch(entry, processor(where) if where else Processor.parse("riscv64")) == ""


def test_where_flags_are_hidden_an_isa_is_not_claimed_to_be_wrong() -> None:
    windows = Processor.parse("AMD64")
    assert mismatch({**INT8, "isa": "vnni"}, windows) == ""
    assert mismatch({**INT8, "isa": "avx2"}, windows) == ""
    assert mismatch({**INT8, "target": "arm"}, windows).endswith("`edgefs export --precision int8 --target cpu`")


@pytest.fixture
def for_tensorrt(bundle: Path) -> Path:
    """Of which every processor that is known warns."""
    entry = {**Bundle.open(bundle).manifest.raw["embedder"], "precision": "int8", "target": "tensorrt"}
    return remade(bundle, bundle.with_name("trt.edgefs"), embedder=entry)


known_processor = pytest.mark.skipif(
    this_processor().family == "other", reason="nothing is claimed about this processor"
)


@known_processor
def test_opening_the_bundle_warns_and_it_decides_all_the_same(
    for_tensorrt: Path, pictures: Callable[..., list[Path]]
) -> None:
    with Classifier.open(for_tensorrt) as classifier:
        (warning,) = classifier.warnings
        assert warning.startswith("trt.edgefs: made for TensorRT")
        assert classifier.predict(pictures("dots", 1))[0].nearest == "dots"


def test_an_older_bundle_has_no_warning(bundle: Path) -> None:
    with Classifier.open(bundle) as classifier:
        assert classifier.warnings == ()


@known_processor
def test_commands_warn_in_one_line_on_standard_error(
    for_tensorrt: Path, pictures: Callable[..., list[Path]], tmp_path: Path
) -> None:
    shots, gallery = pictures("checks", 2), tmp_path / "g"
    for arguments in (
        ("predict", for_tensorrt, shots[0], "--json"),
        ("enroll", for_tensorrt, "checks", *shots, "--gallery", gallery, "--json"),
        ("verify", for_tensorrt, "--json"),
    ):
        run = edgefs(*arguments)
        assert run.returncode == 0
        (line,) = run.stderr.strip().splitlines()
        assert line.startswith("Warning: trt.edgefs: made for TensorRT")
        assert json.loads(run.stdout)
