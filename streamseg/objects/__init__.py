"""Objects: which parts of a frame are things, found without labels."""
