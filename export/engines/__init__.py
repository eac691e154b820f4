"""Building TensorRT engines: the builder and its progress."""
