"""A `Sheet` becomes one HTML file: every text is escaped, nothing is loaded from anywhere."""

from __future__ import annotations

import base64
import re

from edgefs.look.sheet import PictureShown, Sheet
from edgefs_runtime.base.errors import MissingExtraError


def sheet_html(sheet: Sheet, command: str = "") -> str:
    """A single HTML page with its style and pictures inside; the same sheet gives the same text.

    Args:
        sheet: what stands on it.
        command: what goes on from here, shown at the end.

    Raises:
        MissingExtraError: jinja2 is not installed.
    """
    try:
        import jinja2
    except ImportError as error:
        raise MissingExtraError('the sheet needs the workstation extra: pip install "edgefs[workstation]"') from error
    environment = jinja2.Environment(
        loader=jinja2.ChoiceLoader([jinja2.PackageLoader("edgefs.look"), jinja2.PackageLoader("edgefs.report")]),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(uri=_uri, pieces=lambda path: re.split(r"(?<=[/_-])", path))
    return environment.get_template("look.html.j2").render(sheet=sheet, command=command)


def _uri(picture: PictureShown) -> str:
    return f"data:image/{picture.kind};base64,{base64.b64encode(picture.data).decode('ascii')}"
