"""`python -m export`."""

from streamseg.start import export

export()
