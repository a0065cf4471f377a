"""Pretrained networks whose stages are tapped for embeddings.

- `load_backbone`: a network by name with its weights; `nano` travels in the package, every other name is torchvision's.
- `default_backbone`: the one that is taken when nobody names one.
- `find_stages`: where a network can be tapped.
"""

from edgefs.backbones.loading import BACKBONES, architecture, default_backbone, load_backbone
from edgefs.backbones.stages import Stage, find_stages
from edgefs.backbones.weights import Backbone

__all__ = ["BACKBONES", "Backbone", "Stage", "architecture", "default_backbone", "find_stages", "load_backbone"]
