"""The command line: one file per command. Commands import heavy libraries when they run, so that `--help` is fast."""
