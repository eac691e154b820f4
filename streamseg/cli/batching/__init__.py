"""`streamseg batch`."""
