"""Labelled images on the workstation: found, read, divided.

- `load_dataset` reads a folder or a CSV file into a `Dataset`; what can't be used is in `left_out` with its reason.
- `split_dataset` divides it into train, validation and test; `with_blank` adds what shows nothing where it would test;
  `folds` divides a small set for cross-validation.
- `near_duplicates` and `scale_warning` say what may make the figures, or the model, worse than they look.
"""

from edgefs.data.duplicates import near_duplicates
from edgefs.data.loading import load_dataset
from edgefs.data.samples import Dataset, LeftOut, Sample
from edgefs.data.scale import scale_warning
from edgefs.data.splits.blank import with_blank
from edgefs.data.splits.folding import folds
from edgefs.data.splits.sides import Split
from edgefs.data.splits.split import split_dataset

__all__ = [
    "Dataset",
    "LeftOut",
    "Sample",
    "Split",
    "folds",
    "load_dataset",
    "near_duplicates",
    "scale_warning",
    "split_dataset",
    "with_blank",
]
