"""`edgefs verify`: whether a bundle is whole and computes here what it should."""

from __future__ import annotations

from pathlib import Path

import click

from edgefs.cli.options import bundle_argument, echo_json, echo_note, echo_warnings, json_option, provider_option
from edgefs.cli.streams import echo


@click.command("verify")
@bundle_argument
@provider_option
@json_option
def command(bundle: Path, provider: str, as_json: bool) -> None:
    """Check that BUNDLE is whole and computes on this machine what it computed where it was exported."""
    from edgefs_runtime.verify import verify

    verified = verify(bundle, provider)
    echo_warnings(verified.warnings)
    if as_json:
        echo_json({"path": str(bundle), **vars(verified)})
        return
    echo_note(verified.note)
    echo(f"{bundle}: whole; {verified.inputs} golden inputs agree to {verified.worst:.1e} by {verified.software}")
