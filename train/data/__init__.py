"""Training data: recordings, samples of their frames, and augmented views of the frames."""
