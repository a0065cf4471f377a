"""`edgefs predict`."""

from __future__ import annotations

from pathlib import Path

import click

from edgefs.cli.options import (
    PATH,
    bundle_argument,
    echo_json,
    gallery_option,
    image_files,
    json_option,
    open_classifier,
    provider_option,
)


@click.command("predict")
@bundle_argument
@click.argument("images", nargs=-1, required=True, type=PATH)
@gallery_option
@provider_option
@json_option
def command(bundle: Path, images: tuple[Path, ...], gallery: Path | None, provider: str, as_json: bool) -> None:
    """Decide about IMAGES (files, or folders searched at any depth).

    An image that can't be read is named, the others are decided about, and the exit status is 1.
    """
    from edgefs_runtime.errors import ImageError

    files = image_files(images)
    failed = 0
    with open_classifier(bundle, gallery, provider=provider) as classifier:
        for path, answer in zip(files, classifier.predict_each(files), strict=True):
            if isinstance(answer, ImageError):
                failed += 1
                if as_json:
                    echo_json({"path": str(path), "error": str(answer)})
                else:
                    click.echo(f"error        {path}: {answer}", err=True)
            elif as_json:
                echo_json({"path": str(path), **answer.to_json()})
            else:
                click.echo(f"{answer.verdict:<11}  {_said(answer)}  {path}")
    if failed:
        raise click.exceptions.Exit(1)


def _said(decision: object) -> str:
    from edgefs_runtime.decision import Decision

    assert isinstance(decision, Decision)  # noqa: S101 - ours
    if decision.verdict == "NO_DECISION":
        return f"({decision.reason})"
    likely = f"{100 * (decision.probability or 0):.0f} %"
    p_value = "" if decision.p_value is None else f", p {decision.p_value:.2g}"
    if decision.label is None:
        return f"unknown (nearest {decision.nearest} {likely}{p_value})"
    return f"{decision.label} ({likely}{p_value})"
