"""Export turns a RUN into a bundle: `plan` reads, `measuring` measures, `describing` describes, `export` writes."""

from edgefs.pipelines.export.export import Exported, export

__all__ = ["Exported", "export"]
