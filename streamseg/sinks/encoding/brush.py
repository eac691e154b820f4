"""Run lengths as Label Studio packs its brush strokes: the four equal channels of each pixel, a byte each.

A stream of bits (rle-pack of thi.ng/umbrella): 32 for the number of bytes, 5 for the bits of a value less one, 4 x 4
for the bits of a count less one by its class; then for each run a 1, its class in 2 bits, its length less one, its
value.
"""

from __future__ import annotations

import numpy as np

COUNT_BITS = 3, 4, 8, 16
LONGEST = 1 << COUNT_BITS[-1]
CHANNELS = 4


def brush(mask: np.ndarray) -> list[int]:
    """(H, W) bool -> the bytes, 0 ... 255, that stand under "rle"; inside is 255, outside 0."""
    flat = mask.ravel()
    starts = np.flatnonzero(np.concatenate([[True], flat[1:] != flat[:-1]]))
    lengths = CHANNELS * np.diff(np.append(starts, flat.size))
    bits = [f"{CHANNELS * flat.size:032b}", f"{8 - 1:05b}", *(f"{size - 1:04b}" for size in COUNT_BITS)]
    for value, length in zip(flat[starts].tolist(), lengths.tolist()):
        for part in [LONGEST] * (length // LONGEST) + [length % LONGEST]:
            if part:
                bits.append(_run(part, 255 * value))
    stream = "".join(bits)
    stream += "0" * (-len(stream) % 8)
    return list(int(stream, 2).to_bytes(len(stream) // 8, "big"))


def _run(length: int, value: int) -> str:
    kind = next(i for i, size in enumerate(COUNT_BITS) if length <= 1 << size)
    return f"1{kind:02b}{length - 1:0{COUNT_BITS[kind]}b}{value:08b}"
