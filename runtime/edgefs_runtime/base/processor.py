"""Which processor this is, and whether a quantised network was made for another one.

An int8 file is made for one kind of arithmetic. Run elsewhere it is slower, and on x86 without VNNI also wrong: there
pairs of 8-bit products are summed in 16 bits and cut off. The manifest's `embedder` entry may say what its file was
made for; all three fields are optional, and a bundle without them claims nothing:

    "precision"  fp32, fp16 or int8
    "target"     cpu, arm or tensorrt
    "isa"        of an int8 file for x86: vnni, or avx2 for processors without it
"""

from __future__ import annotations

import platform
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

Family = Literal["x86", "arm", "other"]

_X86 = frozenset({"x86_64", "amd64", "x64", "i386", "i486", "i586", "i686", "x86"})
_VNNI = frozenset({"avx512_vnni", "avx_vnni"})  # as Linux names them
_NAMES = (
    "Model",
    "model name",
    "Hardware",
)  # lines of /proc/cpuinfo; a Pi's own name tells more than "ARMv7 Processor"


@dataclass(frozen=True)
class Processor:
    """What is known of a processor.

    Attributes:
        name: as the system calls it.
        family: x86, Arm, or one of which nothing is claimed.
        has_vnni: whether an x86 processor sums 8-bit products in 32 bits; None where that can't be told.
    """

    name: str
    family: Family
    has_vnni: bool | None = None

    @classmethod
    def parse(cls, machine: str, cpuinfo: str = "") -> Processor:
        """Read what a system says of its processor.

        Args:
            machine: as `platform.machine()` names it.
            cpuinfo: the text of Linux's `/proc/cpuinfo`; empty on other systems.
        """
        fields = _fields(cpuinfo)
        family = _family(machine)
        flags = fields.get("flags", "").split() if family == "x86" else []
        return cls(_name(fields, machine), family, bool(_VNNI & set(flags)) if flags else None)


def this_processor() -> Processor:
    """The processor that this process runs on."""
    try:
        cpuinfo = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
    except OSError:
        cpuinfo = ""
    return Processor.parse(platform.machine(), cpuinfo)


def mismatch(embedder: Mapping[str, Any], processor: Processor) -> str:
    """Why a bundle was made for another machine, and what to export instead; empty where nothing is known against it.

    Args:
        embedder: the manifest's entry.
        processor: on which onnxruntime is to run it.
    """
    made_for = _made_for_another(embedder, processor)
    return (
        f"{made_for}; on this processor ({processor.name}) use `edgefs export --precision int8 {_options(processor)}`"
        if made_for
        else ""
    )


def _made_for_another(embedder: Mapping[str, Any], processor: Processor) -> str:
    precision, target, isa = (embedder.get(field) for field in ("precision", "target", "isa"))
    if precision == "fp32" or processor.family == "other":
        return ""
    if target == "tensorrt":
        return "made for TensorRT, slow in onnxruntime on a processor"
    if not str(precision).startswith("int8"):
        return ""
    if target == "arm":
        return "int8 made for Arm, slower on x86" if processor.family == "x86" else ""
    if processor.family == "arm":
        return "int8 made for x86, slower on Arm" if target == "cpu" or isa in ("vnni", "avx2") else ""
    if isa == "vnni" and processor.has_vnni is False:
        return "int8 made for x86 with VNNI, without which its sums are cut off"
    if isa == "avx2" and processor.has_vnni:
        return "int8 made for x86 without VNNI, with weights of 7 bits where 8 would do"
    return ""


def _options(processor: Processor) -> str:
    """What to export with for this processor."""
    if processor.family == "arm":
        return "--target arm"
    isa = {True: " --isa vnni", False: " --isa avx2", None: ""}[processor.has_vnni]
    return f"--target cpu{isa}"


def _family(machine: str) -> Family:
    name = machine.lower()
    if name in _X86:
        return "x86"
    return "arm" if name.startswith(("arm", "aarch64")) else "other"


def _fields(cpuinfo: str) -> dict[str, str]:
    """The first value of each line's name: cores come one after the other and are alike in what is asked here."""
    fields: dict[str, str] = {}
    for line in cpuinfo.splitlines():
        name, colon, value = line.partition(":")
        if colon and value.strip():
            fields.setdefault(name.strip(), value.strip())
    return fields


def _name(fields: Mapping[str, str], machine: str) -> str:
    for name in _NAMES:
        if name in fields:
            return fields[name]
    if "CPU part" in fields:
        return f"Arm, implementer {fields.get('CPU implementer', '?')}, part {fields['CPU part']}"
    return machine or "unknown processor"
