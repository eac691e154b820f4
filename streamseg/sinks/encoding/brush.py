"""Encode a mask as a brush stroke of Label Studio: run lengths over the RGBA bytes of its pixels.

The format is a stream of bits (rle-pack of thi.ng/umbrella). The header has 32 bits for the number of bytes, 5 bits for
the bits of a value minus one, and four times 4 bits for the bits of a length minus one, by size class. Each run has one
bit 1, 2 bits for its size class, its length minus one, and its value.
"""

from __future__ import annotations

import numpy as np

COUNT_BITS = 3, 4, 8, 16
MAX_LENGTH = 1 << COUNT_BITS[-1]
CHANNELS = 4


def brush(mask: np.ndarray) -> list[int]:
    """Return the bytes, 0 ... 255, of an (H, W) bool mask for the key "rle". Inside is 255, outside 0."""
    flat = mask.ravel()
    starts = np.flatnonzero(np.concatenate([[True], flat[1:] != flat[:-1]]))
    lengths = CHANNELS * np.diff(np.append(starts, flat.size))
    bits = [f"{CHANNELS * flat.size:032b}", f"{8 - 1:05b}", *(f"{size - 1:04b}" for size in COUNT_BITS)]
    for value, length in zip(flat[starts].tolist(), lengths.tolist()):
        for part in [MAX_LENGTH] * (length // MAX_LENGTH) + [length % MAX_LENGTH]:
            if part:
                bits.append(_run(part, 255 * value))
    stream = "".join(bits)
    stream += "0" * (-len(stream) % 8)
    return list(int(stream, 2).to_bytes(len(stream) // 8, "big"))


def _run(length: int, value: int) -> str:
    size_class = next(i for i, size in enumerate(COUNT_BITS) if length <= 1 << size)
    return f"1{size_class:02b}{length - 1:0{COUNT_BITS[size_class]}b}{value:08b}"
