"""Callbacks of a run: checkpoints, monitoring, progress display and probes."""
