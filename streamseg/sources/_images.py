"""The former name of `reading.images`. Scripts that reproduce reported bugs import the readers from here."""

from streamseg.sources.reading.images import highest, read_file, read_gray, read_rgb, read_uint16, to_bytes, upright
from streamseg.sources.reading.masks import read_mask, read_soft_mask

__all__ = [
    "highest",
    "read_file",
    "read_gray",
    "read_mask",
    "read_rgb",
    "read_soft_mask",
    "read_uint16",
    "to_bytes",
    "upright",
]
