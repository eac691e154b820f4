"""Many recordings: on the cores of this machine, on a Ray cluster, or in the shards of a Slurm array."""
