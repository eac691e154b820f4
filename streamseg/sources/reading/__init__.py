"""Readers that sources share: files and lists, pictures, masks, depth, cameras, video tracks, archives."""
