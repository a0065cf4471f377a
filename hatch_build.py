"""What a wheel says of where the project lives: told when it is built, since no address stands in the source.

    EDGEFS_URL=https://… python -m pip wheel --no-deps .

EDGEFS_URL is the address under which the files of this version can be read (`$EDGEFS_URL/README.md`). It becomes the
wheel's URLs, and the README's relative links absolute; without it there are no URLs, and such links become plain text.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

from hatchling.metadata.plugin.interface import MetadataHookInterface

_RELATIVE_LINK = re.compile(r"\[([^\]]+)\]\((?!https?://|#)([^)]+)\)")


class CustomMetadataHook(MetadataHookInterface):
    """Fills in `readme` and `urls`."""

    def update(self, metadata: dict[str, Any]) -> None:
        """Fill in the fields that pyproject.toml calls dynamic; hatchling calls this."""
        url = os.environ.get("EDGEFS_URL", "").rstrip("/")
        readme = Path(self.root, "README.md").read_text(encoding="utf-8")
        metadata["readme"] = {"content-type": "text/markdown", "text": with_absolute_links(readme, url)}
        if url:
            metadata["urls"] = {
                "Source": url,
                "Documentation": f"{url}/docs/README.md",
                "Changelog": f"{url}/CHANGELOG.md",
            }


def with_absolute_links(text: str, url: str) -> str:
    """The README as who has only the wheel can use it."""
    return _RELATIVE_LINK.sub(rf"[\1]({url}/\2)" if url else r"\1", text)
