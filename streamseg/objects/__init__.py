"""Objects: finds the objects of each frame without labels."""
