"""Bench: how fast, against the report's method as a plain script, in one run."""
