"""Measures the speed of engines, and compares it with the report's method as a plain script in the same run."""
