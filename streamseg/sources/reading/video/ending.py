"""Whether a Matroska or WebM file ends before its end, as its own sizes say (RFC 8794): of frames that are cut off no
number is told."""

from __future__ import annotations

import os
from typing import BinaryIO

HEADER, SEGMENT = 0x1A45DFA3, 0x18538067
CUT = "the file is cut off: frames at its end are missing, an unknown number of them"


def is_cut(path: str) -> bool:
    """False also for other formats, and where the file does not say how long it is (recorded live)."""
    try:
        with open(path, "rb") as file:
            if _number(file, keep_marker=True) != HEADER:
                return False
            size = _number(file)
            file.seek(size or 0, os.SEEK_CUR)
            if _number(file, keep_marker=True) != SEGMENT:
                return False
            size = _number(file)
            return size is not None and file.tell() + size > os.path.getsize(path)
    except (OSError, ValueError, OverflowError):
        return False


def _number(file: BinaryIO, keep_marker: bool = False) -> int | None:
    """A number of EBML: leading zero bits say how many bytes follow. keep_marker: of an element's name. None for a size
    that is not known: all ones. Raises ValueError where the file ends or it is none."""
    first = file.read(1)
    length = 9 - first[0].bit_length() if first else 9
    rest = file.read(length - 1) if length < 9 else b""
    if length > 8 or len(rest) < length - 1:
        raise ValueError("no number")
    value = int.from_bytes(first + rest)
    if keep_marker:
        return value
    value &= (1 << 7 * length) - 1
    return None if value == (1 << 7 * length) - 1 else value
