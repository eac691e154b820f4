"""Commands of `streamseg export`, by vendor, and the flags that they share."""
