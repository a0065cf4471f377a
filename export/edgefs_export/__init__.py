"""Export turns an adapted network into one file that a device can run: ONNX, parity, bundle."""

import edgefs_runtime  # noqa: F401 - first: it keeps onnxruntime from talking to its vendor
