"""Features: the network's output for keyframes, and its propagation to the frames between them."""
