"""TensorRT on the device: an engine is built once from the bundle's ONNX model, kept, and run without torch or onnx.

    build_engine(Path("parts.edgefs"), test=run_self_test)  # edgefs engine parts.edgefs
    Classifier.open("parts.edgefs", provider="tensorrt")  # edgefs predict parts.edgefs a.jpg --provider tensorrt

- `engines`: build, find and test the engine of a bundle for this device.
- `building`, `executing`: what calls TensorRT. Precision is decided in the ONNX file: the network is strongly typed,
  which TensorRT 10 and 11 both know, while 11 has no flags for half precision and int8 any more.
- `cuda`: the few calls of cuda-python that are needed: memory, one stream, which GPU this is.
- `sealed`: files of this user's own, with what they are for and their SHA-256. An engine is code.
- `installed`: whether TensorRT and cuda-python are there.

`building`, `executing` and `cuda` import TensorRT and cuda-python and are themselves imported only where both are
installed. None of this has run on a GPU yet; it is type-checked against TensorRT 10.3 and 11 (tools/tensorrt_stubs.py).
"""
