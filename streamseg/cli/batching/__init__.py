"""The command `streamseg batch`: its flags, and what it prints."""
