"""Commands of `streamseg train` and `streamseg probe`, and what they show."""
