"""What is measured from data: int8 ranges of a network (`int8`); rates, flips and corrections (`statistics`)."""

import edgefs_runtime  # noqa: F401 - first: it keeps onnxruntime from talking to its vendor
