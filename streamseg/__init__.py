"""streamseg: object masks for video and RGB-D streams, without labels, in real time."""

__version__ = "0.1.0"
