"""The networks of a RUN, as `adapt` left them."""

from __future__ import annotations

from safetensors.torch import load_file

from edgefs.backbones import Backbone, architecture
from edgefs.embedding.gallery_network import GalleryNetwork
from edgefs.embedding.network import EmbeddingNetwork, EmbeddingPlan
from edgefs.runs.run import GALLERY_WEIGHTS, WEIGHTS, Run
from edgefs_runtime.base.errors import RunError


def load_network(run: Run) -> EmbeddingNetwork:
    """The embedding network of a RUN.

    Raises:
        RunError: its weights don't fit the network that this torchvision builds.
    """
    told = run.record.backbone
    network = architecture(told.name)
    backbone = Backbone(told.name, network, told.size, told.origin, told.digest, told.mean, told.std)
    embedder = EmbeddingNetwork(backbone, EmbeddingPlan.from_json(run.record.plan))
    try:
        embedder.load_state_dict(load_file(run.folder / WEIGHTS))
    except RuntimeError as error:
        raise RunError(
            f"{run.folder}: the weights don't fit {told.name} of this torchvision; the RUN was made with "
            f"{run.record.versions.get('torchvision')}; run `edgefs adapt` again"
        ) from error
    return embedder.eval()


def load_gallery_network(run: Run) -> GalleryNetwork | None:
    """What embeds the gallery's images of a RUN; None where the embedding network does."""
    if GALLERY_WEIGHTS not in run.record.files:
        return None
    network = GalleryNetwork(load_network(run))
    network.load_state_dict(load_file(run.folder / GALLERY_WEIGHTS))
    return network.eval()
