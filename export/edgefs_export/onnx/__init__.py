"""ONNX from torch: the graph of a network, trained heads, and whether both say the same."""
