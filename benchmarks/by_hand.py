"""What somebody would write by hand to run a bundle's model: Pillow, numpy, onnxruntime, nearest class mean.

    python benchmarks/by_hand.py EMBEDDER.onnx MEANS.npz IMAGE

The baseline that `benchmarks/device.py` compares with; it checks nothing and can't be taught.
"""

import os
import sys

os.environ["ORT_DISABLE_TELEMETRY"] = "1"  # as edgefs does: a measurement talks to nobody

import numpy as np
import onnxruntime
from PIL import Image


class ByHand:
    """The model and the class means."""

    def __init__(self, model: str, means: str, size: int = 224) -> None:
        self.session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
        archive = np.load(means)
        self.means, self.labels, self.size = archive["means"], archive["labels"], size

    def predict(self, image: Image.Image) -> str:
        """The nearest class."""
        pixels = np.asarray(image.convert("RGB").resize((self.size, self.size), Image.Resampling.BILINEAR))
        (vectors,) = self.session.run(None, {"images": pixels[None]})
        return str(self.labels[(vectors @ self.means.T).argmax()])


if __name__ == "__main__":
    print(ByHand(sys.argv[1], sys.argv[2]).predict(Image.open(sys.argv[3])))
