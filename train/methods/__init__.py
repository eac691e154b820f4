"""Training methods, one per file. A method is found by the name of its file, and defines `Options` and `METHOD`."""
