"""Processes many recordings: on the cores of this machine, on a Ray cluster, or in the jobs of a Slurm array."""
