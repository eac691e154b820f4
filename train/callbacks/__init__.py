"""Callbacks: checkpoints, collapse, figures and the dense probe while a run goes on."""
