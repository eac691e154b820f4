"""Reports of a run: the choice of the deployed weights, loggers, pictures and the verdict."""
