"""Finds out whether a Matroska or WebM file is truncated, by the sizes of its EBML elements (RFC 8794)."""

from __future__ import annotations

import os
from typing import BinaryIO

HEADER, SEGMENT = 0x1A45DFA3, 0x18538067  # ids of the two elements of a file
TRUNCATED = "the file is cut off: frames at its end are missing, an unknown number of them"


def is_truncated(path: str) -> bool:
    """Return whether a file is shorter than its segment says; False for other formats, and for files without a size,
    which are recorded live."""
    try:
        with open(path, "rb") as file:
            if _read_number(file, is_id=True) != HEADER:
                return False
            size = _read_number(file)
            file.seek(size or 0, os.SEEK_CUR)
            if _read_number(file, is_id=True) != SEGMENT:
                return False
            size = _read_number(file)
            return size is not None and file.tell() + size > os.path.getsize(path)
    except (OSError, ValueError, OverflowError):
        return False


def _read_number(file: BinaryIO, is_id: bool = False) -> int | None:
    """Read an EBML number, whose leading zero bits are the number of further bytes.

    is_id: it is the id of an element, which includes the marker bit. Returns None for an unknown size, whose bits are
    all one. Raises ValueError at the end of the file, or if there is no number.
    """
    first = file.read(1)
    length = 9 - first[0].bit_length() if first else 9
    rest = file.read(length - 1) if length < 9 else b""
    if length > 8 or len(rest) < length - 1:
        raise ValueError("no number")
    value = int.from_bytes(first + rest)
    if is_id:
        return value
    value &= (1 << 7 * length) - 1
    return None if value == (1 << 7 * length) - 1 else value
