"""Export of backbones to files that other runtimes load."""
