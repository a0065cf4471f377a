"""Manifests that are no manifests: fields missing, of another kind, out of range, too deep, too long."""

from __future__ import annotations

from faults.attacks.making import DEEP, GONE, HUGE, LONG, NOT_A_NUMBER, Attack, Raw, with_field, with_manifest

_VALUES: dict[str, tuple[object, ...]] = {
    "decision/budget": (HUGE, NOT_A_NUMBER, LONG, -1, 2, "0.05", [], None, True),
    "decision/unknown": ("MAYBE", 3, GONE),
    "decision/overkill": (NOT_A_NUMBER, HUGE, "x"),
    "decision/escape_cost": (HUGE, -1),
    "decision/crossfit": ("x", {"a": 1}, DEEP),
    "preprocess/size": (
        [10**9, 10**9],
        [100_000, 100_000],
        [0, 0],
        [-1, -1],
        [32],
        "32",
        [32.5, 32],
        Raw("[1e999,32]"),
    ),
    "preprocess/roi": ("all", [0, 0, 0, 0], [-1, 0, 5, 5], [0, 0, 1, "x"], Raw("[0,0,1e999,5]")),
    "preprocess/rotation": (45, "90", HUGE),
    "preprocess/window": ([5, 5], [65535, 0], [0], Raw("[NaN,1]"), LONG),
    "preprocess/symmetries": (["x"], "hh", ["h"] * 1000, [["h"]], [3]),
    "preprocess/interpolation": ("lanczos9", ["bilinear"]),
    "preprocess/channels": ("cmyk", 3),
    "preprocess/resize": (7, None),
    "preprocess/unheard": (1,),
    "preprocess": (GONE, [], "x"),
    "decision": (GONE, 5),
    "labels": (GONE, {}, [5], [{"label": 5, "disposition": "ok"}], [{"label": "a"}], DEEP),
    "name": ("", "../../x", "x" * 200, 5, None, "a\nb", "\x1b[31mred", GONE),
    "version": (DEEP, GONE, "1\n\x1b[2J", [1], "x" * 1_000_000),
    "format_version": ("99.0", HUGE, [1], GONE, "1." + "9" * 5000),
    "min_runtime": ("999", [], LONG, "9" * 5000),
    "identity": ("xyz", 5, [1]),
    "succeeds": (7, "f" * 63),
    "head": (GONE, "blend", {}, {"kind": "nope"}, {"kind": ["blend"]}, {"kind": "linear", "labels": 3}, DEEP),
    "fallback_head": ("x", {"kind": 5}),
    "keep_images": (5, "all"),
    "members": (GONE, [], {"embedder.onnx": {"size": -1, "sha256": "0" * 64}}),
    "members/embedder.onnx/size": (HUGE, LONG, "42184", -1, None),
    "members/embedder.onnx/sha256": (None, "x", 5),
    "members/embedder.onnx": ([], GONE),
}
_WHOLE: dict[str, bytes] = {
    "nothing": b"",
    "not JSON": b"{",
    "a list": b"[]",
    "a text": b'"x"',
    "a number of 5,000 digits": b"9" * 5000,
    "a hundred thousand brackets": b"[" * 100_000,
    "NaN": b"NaN",
    "no UTF-8": b'{"name": "\xff\xfe"}',
    "UTF-16": '{"name": "x"}'.encode("utf-16"),
    "four megabytes of spaces": b" " * 4_000_001,
    "a null byte": b'{"name": "a\\u0000b"}',
}


def _said(value: object) -> str:
    text = value.text if isinstance(value, Raw) else "missing" if value is GONE else ascii(value)
    return text if len(text) < 40 else f"{text[:20]}… ({len(text)} characters)"


MANIFESTS: dict[str, Attack] = {
    **{
        f"manifest: {place} = {_said(value)}": with_field(place, value) for place in _VALUES for value in _VALUES[place]
    },
    **{f"manifest: {name}": with_manifest(lambda _fields, data=data: data) for name, data in _WHOLE.items()},
    "manifest: a hundred thousand labels": with_field(
        "labels", [{"label": f"c{number}", "disposition": "ok", "images": 1} for number in range(100_000)]
    ),
}
