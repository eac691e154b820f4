"""Runtime: the order of the stages, the threads around them, and the job that a command runs."""
