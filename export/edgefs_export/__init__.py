"""From an adapted network to one file that a device can run: ONNX, parity, bundle."""
