"""`python -m train`."""

from streamseg.start import train

train()
