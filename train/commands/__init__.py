"""The commands `streamseg train` and `streamseg probe`."""
