"""From a RUN to a bundle: read the RUN (`plan`), measure (`measuring`), describe (`describing`), write (`export`)."""

from edgefs.pipelines.export.export import Exported, export

__all__ = ["Exported", "export"]
