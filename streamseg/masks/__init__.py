"""Masks: from feature cells to pixels, from frame to frame, and into colours and figures."""
