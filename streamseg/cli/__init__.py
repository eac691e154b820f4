"""Command line: one file a command; heavy imports happen inside commands."""
