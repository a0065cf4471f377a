"""What is measured from held-out data: rates with exact intervals today, int8 ranges and temperatures as they come."""

import edgefs_runtime  # noqa: F401 - first: it keeps onnxruntime from talking to its vendor
