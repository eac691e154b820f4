"""Features: the output of the network for keyframes, and its propagation to the frames between."""
