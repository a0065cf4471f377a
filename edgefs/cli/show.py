"""`edgefs show`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from edgefs.cli.options import PATH, bundle_argument, echo_json, json_option


@click.command("show")
@bundle_argument
@click.option("--report", type=PATH, help="Write the report that the bundle carries to this file.")
@json_option
def command(bundle: Path, report: Path | None, as_json: bool) -> None:
    """Say what BUNDLE is: its classes, how it was made, how it was measured."""
    from edgefs_runtime.bundle import Bundle
    from edgefs_runtime.errors import BundleError

    opened = Bundle.open(bundle)
    if report is not None:
        if not opened.report:
            raise BundleError(f"{bundle}: carries no report")
        report.write_text(opened.report, encoding="utf-8")
    raw = dict(opened.manifest.raw)
    if as_json:
        echo_json({"path": str(bundle), "digest": opened.digest, "space_id": opened.space_id, **raw})
        return
    for name, value in _lines(raw):
        click.echo(f"{name:<12} {value}")
    click.echo(f"{'digest':<12} {opened.digest}")
    click.echo(f"{'size':<12} {opened.size / 1e6:.1f} MB")


def _head(raw: dict[str, Any]) -> str:
    from edgefs_runtime.heads.trained import gallery_head, is_trained

    kind, other = raw["head"]["kind"], gallery_head(raw)["kind"]
    return f"{kind}, trained; {other} once anything is taught or forgotten" if is_trained(raw["head"]) else str(kind)


def _lines(raw: dict[str, Any]) -> list[tuple[str, str]]:
    size, decision = raw["preprocess"]["size"], raw["decision"]
    rows = [
        ("name", f"{raw['name']}, version {raw['version']}"),
        ("method", f"{raw.get('method', '?')} on {raw.get('backbone', {}).get('name', '?')}"),
        ("input", f"{size[1]} x {size[0]} pixels, {raw['preprocess']['resize']}, {raw['preprocess']['channels']}"),
        ("precision", str(raw["embedder"].get("precision", "?"))),
        ("embedding", f"{raw['embedder']['output']['shape'][1]} numbers"),
        ("head", _head(raw)),
        (
            "unknown",
            f"verdict {decision['unknown']}, budget {100 * decision['budget']:g} % of known parts",
        ),
    ]
    rows += [
        (
            "classes" if number == 0 else "",
            f"{entry['label']} ({entry['disposition']}, {entry.get('images', '?')} images)",
        )
        for number, entry in enumerate(raw["labels"])
    ]
    test = (raw.get("metrics") or {}).get("test")
    if test:
        accuracy = test["nearest"]["accuracy"]
        share = accuracy["value"]
        rows.append(("measured", f"{100 * share:.1f} % of {accuracy['trials']} test images nearest to their class"))
        for name in ("overkill", "escapes", "refused"):
            rate = test["rates"][name]
            if rate["trials"]:
                span = f"{100 * rate['low']:.1f} to {100 * rate['high']:.1f} %"
                rows.append(("", f"{name} {100 * rate['value']:.1f} % ({rate['events']} of {rate['trials']}; {span})"))
    return rows
