"""What `edgefs show` says of a bundle, in rows of a name and a sentence."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from edgefs_runtime.base.wording import counted

if TYPE_CHECKING:
    from edgefs_runtime.bundle.bundle import Bundle
    from edgefs_runtime.decision.judge import Judge

Row = tuple[str, str]
_ALWAYS = {"size", "resize", "channels", "interpolation"}  # of the preprocessing: said in the row of the input


def rows_of_model(bundle: Bundle) -> Iterator[Row]:
    """What it is and how it sees."""
    raw = bundle.manifest.raw
    height, width = bundle.manifest.preprocess.size
    seen = raw["preprocess"]
    yield "name", f"{raw['name']}, version {raw['version']}"
    for field, title in (("identity", "identity"), ("succeeds", "succeeds")):
        if raw.get(field):
            yield title, str(raw[field])
    yield "method", f"{raw.get('method', '?')} on {raw.get('backbone', {}).get('name', '?')}"
    yield "input", f"{width} x {height} pixels, {seen['resize']}, {seen['channels']}"
    yield from _rows_of_frame(bundle)
    yield "precision", str(raw["embedder"].get("precision", "?"))
    yield "embedding", f"{raw['embedder']['output']['shape'][1]} numbers"
    yield "head", _head(raw)


def rows_of_decision(judge: Judge) -> Iterator[Row]:
    """Thresholds by which a part is refused, or judged a defect, at this moment."""
    settings, left, refused = judge.settings, judge.overkill_left, judge.thresholds
    if judge.p_rule == "none":
        yield "unknown", "nothing is refused: the classes have too few images, or the budget is 0"
    elif left is None:
        yield "unknown", f"verdict {settings.unknown}, {_refused(next(iter(refused.values())))}"
    else:
        near_defect = f"; nearest a defect, {_refused(refused['defect'])}" if "defect" in refused else ""
        yield "unknown", f"verdict {settings.unknown}{near_defect}"
        if "ok" in refused:
            yield "", f"nearest a good class, {_refused(refused['ok'])}: what classes leave of --overkill"
        yield (
            "overkill",
            f"at most {100 * float(settings.overkill or 0):g} % of good parts"
            + ("; good parts that look like a defect exceed it already" if left < 0 else ""),
        )
    if settings.escape_cost is not None:
        share = 100 / (1 + settings.escape_cost)
        yield "escapes", f"cost {settings.escape_cost:g} overkills: a defect from a probability of {share:.2g} % on"


def rows_of_classes(raw: Mapping[str, Any]) -> Iterator[Row]:
    """Classes that the bundle was exported with."""
    for number, entry in enumerate(raw["labels"]):
        label, disposition = entry["label"], entry["disposition"]
        yield "" if number else "classes", f"{label} ({disposition}, {_images(entry)})"


def rows_of_test(raw: Mapping[str, Any]) -> Iterator[Row]:
    """What was measured when it was exported."""
    test = (raw.get("metrics") or {}).get("test")
    if not test:
        return
    accuracy = test["nearest"]["accuracy"]
    yield "measured", f"{100 * accuracy['value']:.1f} % of {accuracy['trials']} test images nearest to their class"
    for name in ("overkill", "escapes", "refused"):
        rate = test["rates"][name]
        if rate["trials"]:
            span = f"{100 * rate['low']:.1f} to {100 * rate['high']:.1f} %"
            yield "", f"{name} {100 * rate['value']:.1f} % ({rate['events']} of {rate['trials']}; {span})"


def _rows_of_frame(bundle: Bundle) -> Iterator[Row]:
    """How a frame is cut and turned before the network sees it, where it is not taken as it comes."""
    preprocess, raw = bundle.manifest.preprocess, bundle.manifest.raw["preprocess"]
    if preprocess.roi:
        left, top, width, height = preprocess.roi
        yield "region", f"{width} x {height} pixels from left {left}, top {top}"
    if preprocess.rotation:
        yield "rotation", f"{preprocess.rotation} degrees counter-clockwise"
    black, white = preprocess.window
    as_it_comes = " (as it comes)" if (black, white) == (0, 65535) else ""
    yield "window", f"{black} is black, {white} white, in frames with more than 8 bits{as_it_comes}"
    if preprocess.symmetries:
        yield "taught in", f"{preprocess.views} views, turned or mirrored: {', '.join(preprocess.symmetries)}"
    for field, value in raw.items():
        if field not in {*_ALWAYS, "roi", "rotation", "window", "symmetries"} and value is not None:
            yield field, str(value)


def _head(raw: Mapping[str, Any]) -> str:
    from edgefs_runtime.bundle.manifest import gallery_head, is_trained

    kind, other = raw["head"]["kind"], gallery_head(raw)["kind"]
    return f"{kind}, trained; {other} once anything is taught or forgotten" if is_trained(raw["head"]) else str(kind)


def _refused(budget: float) -> str:
    return f"refused where p is at or below {budget:.2g}" if budget > 0 else "nothing is refused"


def _images(entry: Mapping[str, Any]) -> str:
    count = entry.get("images")
    return "? images" if count is None else counted(count, "image")
