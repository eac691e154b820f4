"""Clustering: feature cells to regions. K-Means, the knee, and the codebook of a session."""
