"""CO3D's own files: annotations of frames, and set lists."""
