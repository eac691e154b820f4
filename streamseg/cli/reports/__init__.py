"""Reports of `streamseg doctor` and `streamseg info`: collected as a dictionary for JSON, and printed as text."""
