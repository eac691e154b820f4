"""Clustering: groups feature cells into regions. K-Means, the knee, and the codebook of a session."""
