"""Exported files: the cache of ONNX files, and what ONNX, OpenVINO and TensorRT files say of themselves."""
