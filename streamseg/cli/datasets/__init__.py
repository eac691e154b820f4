"""The subcommands of `streamseg data`."""
