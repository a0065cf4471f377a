"""All images of a task as a trained network sees them: how every method that trains one ends."""

from __future__ import annotations

from edgefs.embedding.cache import EmbeddingCache
from edgefs.embedding.enrolments import Embedded
from edgefs.embedding.gallery_network import GalleryNetwork
from edgefs.embedding.network import EmbeddingNetwork
from edgefs.embedding.torch_embedder import TorchEmbedder, embed_samples
from edgefs.methods.task import Task


def embed_all(
    task: Task, network: EmbeddingNetwork, symmetries: tuple[str, ...], gallery: GalleryNetwork | None = None
) -> Embedded:
    """The support in all its views, and the images that validate and test.

    Nothing is remembered: no other run has a network with these values.

    Args:
        task: whose images.
        network: trained.
        symmetries: in which an image that teaches is seen, beside itself.
        gallery: what embeds the support, where it is of another domain.
    """
    views, nothing = ("", *symmetries), EmbeddingCache(None)
    embedder = TorchEmbedder(network, task.device)
    teacher = embedder if gallery is None else TorchEmbedder(gallery, task.device)
    taught = embed_samples(task.split.train, teacher, task.preprocess, nothing, task.steps("embed the gallery"), views)
    others = (*task.split.validation, *task.split.test)
    asked = embed_samples(others, embedder, task.preprocess, nothing, task.steps("embed the others"))
    of_support = Embedded.of_views(taught, len(views))
    return Embedded({**of_support.asked, **asked}, taught, len(views))
