"""Depth: the support plane, the objects that rise above it, and the registration of depth to colour."""
