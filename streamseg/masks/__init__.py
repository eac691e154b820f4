"""Masks: enlarges labels from feature cells to pixels, tracks ids from frame to frame, draws and measures segments."""
