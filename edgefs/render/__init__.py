"""Images without a camera: training pictures for backbones and the demo's line of machined parts.

- `render_training_image`: one random picture, seeded, in milliseconds; what `nano` was distilled on.
- `render_part`, `write_line`: the demo's machined parts, good ones and defective ones.

numpy and Pillow only: the device can render too.
"""

from edgefs.render.parts import PART_KINDS, render_part, write_line
from edgefs.render.training import render_training_image, render_training_images

__all__ = ["PART_KINDS", "render_part", "render_training_image", "render_training_images", "write_line"]
