"""Readers of CO3D's annotations of frames and of its set lists."""
