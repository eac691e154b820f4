"""Depth: the plane that supports, what rises above it, and depth that does not lie on its picture."""
