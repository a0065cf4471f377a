"""From a RUN to a bundle: read the RUN (`plan`), measure (`measuring`), describe (`describing`), write (`export`)."""

from edgefs.exporting.export import Exported, export
from edgefs.exporting.plan import load_network, settings_of

__all__ = ["Exported", "export", "load_network", "settings_of"]
