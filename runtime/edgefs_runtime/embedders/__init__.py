"""Embedders: what turns pixels into vectors, by onnxruntime or TensorRT, on a CPU or a GPU."""
