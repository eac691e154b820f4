"""Animated GIFs as FFmpeg needs them: it finds a picture by the control block before it, which a GIF need not have."""

from __future__ import annotations

SIGNATURES = (b"GIF87a", b"GIF89a")
HEADER = 13  # signature, size of the screen, and its flags, background and aspect
EXTENSION, PICTURE, CONTROL = 0x21, 0x2C, 0xF9
SHORTEST, USUAL = 2, 10
"""Hundredths of a second: browsers show a picture whose delay is below SHORTEST for the time USUAL."""


def with_delays(data: bytes) -> bytes:
    """Return the content of a GIF with a control block before each picture, and with the delays that browsers use.

    `data` itself is returned if that changes nothing, and if it is no GIF. What follows damage stays as it is.
    """
    if not data.startswith(SIGNATURES) or len(data) < HEADER:
        return data
    parts: list[bytes] = []
    at, is_controlled, changed = HEADER + _colours(data[10]), False, False
    parts.append(data[:at])
    while at < len(data) and data[at] in (EXTENSION, PICTURE):
        start, is_picture = at, data[at] == PICTURE
        if is_picture:
            if not is_controlled:
                parts.append(bytes((EXTENSION, CONTROL, 4, 0, USUAL, 0, 0, 0)))
                changed = True
            at += 10 + (_colours(data[at + 9]) if at + 9 < len(data) else 0) + 1  # descriptor, colours, size of codes
        else:
            at += 2
        at = _end_of_blocks(data, at)
        block = data[start:at]
        is_control = not is_picture and len(block) == 8 and block[1] == CONTROL
        if is_control and int.from_bytes(block[4:6], "little") < SHORTEST:
            block, changed = block[:4] + bytes((USUAL, 0)) + block[6:], True
        parts.append(block)
        is_controlled = not is_picture and (is_control or is_controlled)
    return b"".join([*parts, data[at:]]) if changed else data


def _colours(flags: int) -> int:
    """Return the bytes of the table of colours that these flags announce."""
    return 3 << (flags % 8 + 1) if flags & 0x80 else 0


def _end_of_blocks(data: bytes, at: int) -> int:
    """Return where the chain of blocks at `at` ends: each begins with its length, and the last one has length 0."""
    while at < len(data) and data[at]:
        at += 1 + data[at]
    return min(at + 1, len(data))
