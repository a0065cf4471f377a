"""From a RUN to a bundle: read the RUN (`plan`), measure (`measuring`), describe (`describing`), write (`export`)."""

from edgefs.pipelines.export.export import Exported, export
from edgefs.pipelines.export.plan import load_network, settings_of

__all__ = ["Exported", "export", "load_network", "settings_of"]
