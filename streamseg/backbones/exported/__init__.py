"""Exported files: reads the metadata of ONNX, OpenVINO and TensorRT files, and caches ONNX files."""
