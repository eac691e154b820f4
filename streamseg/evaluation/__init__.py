"""Metrics: labels against ground truth, in NumPy alone. One file a metric."""
