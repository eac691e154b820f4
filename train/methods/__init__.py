"""Training methods. One file a method: it is found by its name, and offers `command`, a click command."""
