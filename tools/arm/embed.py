"""Embed a folder's images with the base install: `python embed.py BUNDLE FOLDER OUT.npy`, float32 `[N,D]`."""

import sys
from pathlib import Path

import numpy as np

from edgefs_runtime import Classifier
from edgefs_runtime.images.listing import find_images

bundle, folder, out = sys.argv[1:]
with Classifier.open(bundle, seed_only=True) as classifier:
    np.save(out, classifier.embed(find_images(Path(folder))))
