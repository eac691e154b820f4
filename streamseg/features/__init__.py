"""Features: what the network sees in each frame, and what it would see in the frames between."""
